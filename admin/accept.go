package admin

import (
	"cmp"
	"mime"
	"slices"
	"strconv"
	"strings"
)

// preferred is which of the forms an Accept header likes best; of equals the one that it
// names, and first. It is the first form if there is no header, and "" if it likes none.
func preferred(accept string, forms ...string) string {
	if strings.Trim(accept, ", ") == "" {
		return forms[0]
	}
	ranges := strings.Split(accept, ",")
	type liking struct {
		quality float64
		named   int
		at      int
	}
	like := func(form string) (best liking) {
		for at, written := range ranges {
			kind, params, err := mime.ParseMediaType(written)
			named := slices.Index([]string{"*/*", form[:strings.Index(form, "/")] + "/*", form}, kind) + 1
			if err != nil || named <= best.named {
				continue
			}
			best = liking{1, named, -at}
			if q, given := params["q"]; given {
				best.quality, _ = strconv.ParseFloat(q, 64) // what is none likes it not
			}
		}
		return best
	}
	best := slices.MaxFunc(forms, func(a, b string) int {
		x, y := like(a), like(b)
		return cmp.Or(cmp.Compare(x.quality, y.quality), cmp.Compare(x.named, y.named), cmp.Compare(x.at, y.at))
	})
	if like(best).quality <= 0 {
		return ""
	}
	return best
}
