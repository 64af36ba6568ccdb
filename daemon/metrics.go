package daemon

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tunneld/control"
	"tunneld/fault"
	"tunneld/forward"
	"tunneld/link"
	"tunneld/profiles"
)

// scrapesAtOnce is how many scrapes are answered together; one more gets a 503.
const scrapesAtOnce = 4

// Metrics answers a scrape with Prometheus' text format: what [MetricTable]
// lists, and what Prometheus' library says of every Go program.
func (s *Supervisor) Metrics() http.Handler {
	s.init()
	return s.metrics
}

func (s *Supervisor) newMetrics() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collector{s})
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: scrapesAtOnce})
}

// collector is what a supervisor observes, as a [prometheus.Collector].
type collector struct{ s *Supervisor }

// Describe is for the registry.
func (c collector) Describe(descs chan<- *prometheus.Desc) {
	for _, m := range exported {
		descs <- m.desc
	}
}

// Collect sends what is observed now. A panic fails this scrape alone, and its
// stack goes to the journal: the library would send it to whoever asked.
func (c collector) Collect(out chan<- prometheus.Metric) {
	if err := c.collect(out); err != nil {
		c.s.journal.report(control.Event{Kind: "api", Message: "internal error"}, err, false, false)
		out <- prometheus.NewInvalidMetric(buildInfo.desc, err)
	}
}

func (c collector) collect(out chan<- prometheus.Metric) (err error) {
	defer fault.Recover(&err)
	doc, set := c.s.Status(), c.s.current()
	buildInfo.send(out, 1, doc.Version, runtime.Version())
	problems := 0
	for _, p := range doc.Problems {
		if !p.Warning {
			problems++
		}
	}
	profileProblems.send(out, float64(problems))
	for _, entry := range doc.Profiles {
		sendLink(out, entry)
		p, _ := set.Profile(entry.Name)
		sendForwards(out, p, entry)
	}
	c.s.ledger.send(out)
	return nil
}

// linkStates are those of a profile in the status document.
var linkStates = []string{disabled, "down", "idle", "connecting", "up", "waiting", "blocked", "refused"}

// sendLink tells how a link is. One that is disabled is neither up nor down.
func sendLink(out chan<- prometheus.Metric, p control.Profile) {
	for _, state := range linkStates {
		linkState.send(out, truth(p.State == state), p.Name, state)
	}
	if p.Since != nil {
		linkSince.send(out, seconds(*p.Since), p.Name)
	}
	if p.State != disabled {
		linkUp.send(out, truth(p.State == string(link.Up)), p.Name)
		if r := p.X11.Remote; r != nil {
			remoteUp.send(out, truth(r.State == remoteReady), p.Name)
		}
	}
	if p.RTT != nil {
		linkRTT.send(out, *p.RTT/1000, p.Name)
	}
}

// sendForwards tells whether the forwards listen that should.
func sendForwards(out chan<- prometheus.Metric, p profiles.Profile, entry control.Profile) {
	enabled := map[string]bool{}
	for _, f := range p.Forwards {
		enabled[f.Name] = p.Enabled && f.Enabled
	}
	for _, f := range entry.Forwards {
		if enabled[f.Name] {
			forwardUp.send(out, truth(f.State == string(forward.Listening)), entry.Name, f.Name)
		}
	}
}

// send tells what was counted.
func (l *ledger) send(out chan<- prometheus.Metric) {
	l.mu.Lock()
	defer l.mu.Unlock()
	reloadSuccess.send(out, truth(l.read.good))
	if !l.read.at.IsZero() {
		reloadTime.send(out, seconds(l.read.at))
	}
	for profile, counts := range l.profiles {
		for code, n := range counts.reconnects {
			linkReconnects.send(out, float64(n), profile, code)
		}
		for name, f := range counts.forwards {
			f.traffic().send(out, profile, name)
		}
	}
	l.holds.Collect(out)
}

func (t traffic) send(out chan<- prometheus.Metric, profile, name string) {
	forwardConnections.send(out, float64(t.active), profile, name)
	forwardConnectionsTotal.send(out, float64(t.total), profile, name)
	forwardBytes.send(out, float64(t.toServer), profile, name, "to_server")
	forwardBytes.send(out, float64(t.fromServer), profile, name, "from_server")
	for code, n := range t.failures {
		forwardFailures.send(out, float64(n), profile, name, code)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// seconds is a moment as Prometheus has it.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// codeLabel is the code of err, as a label.
func codeLabel(err error) string {
	if code := fault.CodeOf(err); code != "" {
		return string(code)
	}
	return noCode
}
