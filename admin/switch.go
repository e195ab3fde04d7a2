package admin

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"captchagate/control"
)

// A switchForm is what stands in the switch's form.
type switchForm struct {
	Mode, Scene, Share, For, Reason string

	Scenes []Scene
}

// A choice is one of a list's.
type choice struct{ Value, Text string }

// Shares are those of a scene's users that a drill may meet.
func (switchForm) Shares() []choice {
	return []choice{{"", "all its users"}, {"0.5", "50 %"}, {"0.2", "20 %"}, {"0.05", "5 %"}, {"0.01", "1 %"}}
}

// Times are those that a forced mode may last.
func (switchForm) Times() []choice {
	return []choice{{"1m", "1 min"}, {"5m", "5 min"}, {"15m", "15 min"}, {"30m", "30 min"}, {"1h", "1 h"}, {"4h", "4 h"}, {"", "until changed"}}
}

// newForm has no mode chosen, so that none looks as if it were in force.
func (s *Server) newForm() switchForm { return switchForm{For: "30m", Scenes: s.views.Scenes()} }

// read takes what was sent, and lists what cannot be read. That auto has no end the form's
// own list does not say.
func (f switchForm) change(actor string) (change control.Change, mistakes control.Mistakes) {
	change = control.Change{Reason: f.Reason, Scene: f.Scene, Actor: actor}
	wrong := func(field, detail string) { mistakes = append(mistakes, control.Mistake{Field: field, Detail: detail}) }
	if err := change.Mode.UnmarshalText([]byte(f.Mode)); err != nil {
		wrong("mode", err.Error())
		change.Mode = control.Degraded
	}
	if f.Share != "" {
		share, err := strconv.ParseFloat(f.Share, 64)
		if err != nil {
			wrong("share", "must be a number between 0 and 1")
		} else {
			change.Share = &share
		}
	}
	if f.For != "" && change.Mode != control.Auto {
		var err error
		if change.For, err = time.ParseDuration(f.For); err != nil || change.For <= 0 {
			wrong("for", "must be a time longer than 0, such as 30m or 1h30m")
		}
	}
	return change, mistakes
}

func readForm(sent url.Values) switchForm {
	return switchForm{Mode: sent.Get("mode"), Scene: sent.Get("scene"), Share: sent.Get("share"), For: sent.Get("for"), Reason: sent.Get("reason")}
}

// A confirmPage says what a change would do, or why there is none.
type confirmPage struct {
	Form  switchForm
	Title string
	Will  []string // what will happen
	Each  []string // to whom
	Wrong []string
	Actor string
}

// postMode makes a change as PUT /admin/v1/mode does, and leads back. With
// step=confirm it only says what would happen.
func (s *Server) postMode(c *gin.Context) {
	sent, ok := formOf(c)
	if !ok {
		return
	}
	form := readForm(sent)
	form.Scenes = s.views.Scenes()
	change, mistakes := form.change(actor(c))
	if mistakes == nil {
		mistakes = s.control.Check(change)
	}
	page := confirmPage{Form: form, Actor: change.Actor}
	switch {
	case !s.guard.operates(c):
		page.Wrong = []string{sentenceOf(readOnly.detail)}
		s.render(c, http.StatusForbidden, "confirm", page)
	case mistakes != nil:
		page.mistaken(mistakes)
		s.render(c, http.StatusBadRequest, "confirm", page)
	case sent.Get("step") == "confirm":
		page.explain(change, s.views.Status(), time.Now())
		s.render(c, http.StatusOK, "confirm", page)
	default:
		s.setMode(c, change, page)
	}
}

func (s *Server) setMode(c *gin.Context, change control.Change, page confirmPage) {
	err := s.control.Set(c.Request.Context(), change)
	switch wrong, is := mistakesIn(err); {
	case err == nil:
		c.Redirect(http.StatusSeeOther, home)
	case is: // the scenes were reloaded in between
		page.mistaken(wrong)
		s.render(c, http.StatusBadRequest, "confirm", page)
	default:
		s.log.Error("the mode could not be changed", "error", err)
		page.Wrong = []string{"The mode was not changed, because the store could not be written; the gateway’s log says more."}
		s.render(c, http.StatusServiceUnavailable, "confirm", page)
	}
}

func (p *confirmPage) mistaken(mistakes control.Mistakes) {
	for _, m := range mistakes {
		p.Wrong = append(p.Wrong, sentenceOf(m.Field+" "+m.Detail))
	}
}

// explain says what a change will do, and to whom.
func (p *confirmPage) explain(ch control.Change, s Status, now time.Time) {
	until := "It stands until somebody changes it."
	if ch.For > 0 {
		until = "It ends by itself at " + atClock(now.Add(ch.For), now) + ", in " + spanOf(ch.For) + "."
	}
	api := "The Captcha API is " + circuitWord(s.Breaker.State) + " now."
	switch {
	case ch.Mode == control.Auto && ch.Scene != "":
		p.Title, p.Will = "End the drill on "+ch.Scene, []string{"All its users are verified by the Captcha API again, unless it is down. " + api}
	case ch.Mode == control.Auto:
		p.Title = "Set the switch to auto (" + glosses[ch.Mode.String()] + " again)"
		p.Will = []string{"Users are verified by the Captcha API as soon as it can, little by little; while it cannot, each scene does what it does in an outage. " + api}
		for _, d := range s.Drills {
			p.Each = append(p.Each, "The drill on "+d.Scene+" goes on.")
		}
	case ch.Mode == control.Normal:
		p.Title = "Force normal in all scenes (" + glosses[ch.Mode.String()] + ")"
		p.Will = []string{"Nobody is let through or challenged in place of the Captcha API: whom it cannot verify is denied, in every scene. " + api, until}
	case ch.Scene != "":
		share := "All"
		if ch.Share != nil {
			share = percentOf(*ch.Share)
		}
		p.Title, p.Will = "Degrade "+ch.Scene+" (a drill)", []string{share + " of its users, always the same ones, are not verified, as if the Captcha API were down. Nobody else is concerned.", until}
	default:
		p.Title, p.Will = "Force degraded in all scenes ("+glosses[ch.Mode.String()]+")", []string{"Nobody is verified by the Captcha API, as if it were down. " + api, until}
	}
	if ch.Mode == control.Degraded {
		for _, scene := range p.Form.Scenes {
			if ch.Scene == "" || ch.Scene == scene.Name {
				p.Each = append(p.Each, "Users of "+scene.does()+".")
			}
		}
	}
	p.explainFleet(s)
}

func (p *confirmPage) explainFleet(s Status) {
	switch {
	case s.Fleet == nil:
	case s.Fleet.Redis != "up":
		p.Will = append(p.Will, "Redis is away: only this instance knows at first, and the others will once it is back.")
	default:
		p.Will = append(p.Will, fmt.Sprintf("It goes for all %d instances of the fleet.", s.Fleet.Alive))
	}
}
