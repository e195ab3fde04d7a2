package chart

// A Row is the states that one thing went through.
type Row struct {
	Name  string
	Spans []Span // their Class is of StateClass
	Empty string // written instead if there are no spans
}

// An Event is a moment; its mark has its number in the order in which it is
// given.
type Event struct {
	At    float64 // seconds
	Class string  // harm or plain
	Title string
}

// bands is a Row as it is drawn; Y is pixels from the top.
type bands struct {
	Name, Empty string
	Y           int
	Boxes       []box
}

// A mark is an event's number.
type mark struct {
	At           string // percent
	Y            int    // pixels from the top
	N            int
	Class, Title string
}

// Marked returns the chart with where events happened under it.
func (c Chart) Marked(a Axis, events []Event) Chart {
	c.drawing.Marks = a.marks(events, c.drawing.Height)
	for _, m := range c.drawing.Marks {
		c.drawing.Height = max(c.drawing.Height, m.Y+markHeight)
	}
	return c
}

const rowHeight, markHeight = 26, 18 // pixels

// States draws rows of coloured bands, and under them where events happened.
func States(a Axis, rows []Row, events []Event) Chart {
	d := a.empty(len(rows)*rowHeight, nil)
	for i, r := range rows {
		d.Bands = append(d.Bands, bands{Name: r.Name, Empty: r.Empty, Y: i * rowHeight, Boxes: a.boxes(r.Spans)})
	}
	return Chart{drawing: d}.Marked(a, events)
}

// marks puts the events' numbers in as many lines as they need to stay apart,
// six at most: then some lie on others.
func (a Axis) marks(events []Event, top int) []mark {
	const apart, lines = 0.03, 6
	var last [lines]float64 // where the line's last number is
	for i := range last {
		last[i] = -1
	}
	var out []mark
	for i, e := range events {
		at, line := a.share(e.At), 0
		for line < lines-1 && at-last[line] < apart {
			line++
		}
		last[line] = at
		out = append(out, mark{a.percent(e.At), top + line*markHeight, i + 1, e.Class, e.Title})
	}
	return out
}

// StateClass returns the looks of a state of the circuit or of a mode; a word
// that is neither gets plain ones.
func StateClass(state string) string {
	switch state {
	case "closed", "normal", "up":
		return "calm"
	case "open", "degraded":
		return "alarm"
	case "half_open":
		return "half"
	case "recovering":
		return "mend"
	}
	return "other"
}
