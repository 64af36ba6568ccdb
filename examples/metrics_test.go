package examples

import (
	"bufio"
	"encoding/json"
	"maps"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tunneld/daemon"
	"tunneld/profiles"
)

var (
	metricName = regexp.MustCompile(`\b(?:tunneld|go|process)_[a-z0-9_]+`)
	// A metric with its conditions, {profile="work", state=~"up"}.
	selector = regexp.MustCompile(`\b(tunneld_[a-z0-9_]+)\{([^}]*)\}`)
	labelOf  = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!=|!~|=)`)
	// Labels by which a query joins or sums, by (profile, code).
	grouping = regexp.MustCompile(`\b(?:by|on|without|ignoring) \(([a-z_, ]+)\)`)
)

// given are the labels that Prometheus adds, and those of a histogram's buckets.
var given = []string{"instance", "job", "le"}

// exported are the labels of every metric of a daemon, by name.
func exported(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, m := range daemon.MetricTable() {
		all[m.Name] = m.Labels
		if m.Type == "histogram" {
			all[m.Name+"_bucket"] = m.Labels
		}
	}
	s := &daemon.Supervisor{Loader: &profiles.Loader{Dir: t.TempDir()}}
	w := httptest.NewRecorder()
	s.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for lines := bufio.NewScanner(w.Body); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "# TYPE "); ok {
			name, _, _ = strings.Cut(name, " ")
			all[name] = append(all[name], []string{}...)
		}
	}
	return all
}

// The metrics and labels that the dashboard and the alerts ask for exist.
func TestDashboardAndAlertsAskForWhatThereIs(t *testing.T) {
	known := exported(t)
	labels := slices.Concat(slices.Concat(slices.Collect(maps.Values(known))...), given)
	for _, file := range []string{dashboardFile, alertsFile} {
		text := strings.ReplaceAll(read(t, file), `\"`, `"`)
		if len(metricName.FindAllString(text, -1)) == 0 {
			t.Errorf("%s asks for nothing", file)
		}
		for _, name := range metricName.FindAllString(text, -1) {
			if _, found := known[name]; !found {
				t.Errorf("%s: there is no metric %s", file, name)
			}
		}
		for _, m := range grouping.FindAllStringSubmatch(text, -1) {
			for _, label := range strings.Split(m[1], ", ") {
				if !slices.Contains(labels, label) {
					t.Errorf("%s: %s: no metric has this label", file, m[0])
				}
			}
		}
		for _, m := range selector.FindAllStringSubmatch(text, -1) {
			for _, label := range labelOf.FindAllStringSubmatch(m[2], -1) {
				if !slices.Contains(known[m[1]], label[1]) && !slices.Contains(given, label[1]) {
					t.Errorf("%s: %s has no label %s", file, m[1], label[1])
				}
			}
		}
	}
}

// The dashboard can be imported: its panels have queries, places of their own,
// and the data source that the person chooses.
func TestDashboard(t *testing.T) {
	type source struct{ UID string }
	var board struct {
		Title      string
		Templating struct {
			List []struct{ Name, Type string }
		}
		Panels []struct {
			ID         int
			Title      string
			DataSource source
			GridPos    struct{ X, Y, W, H int }
			Targets    []struct {
				Expr       string
				DataSource source
			}
		}
	}
	if err := json.Unmarshal([]byte(read(t, dashboardFile)), &board); err != nil {
		t.Fatal(err)
	}
	if v := board.Templating.List; len(v) == 0 || v[0].Name != "datasource" || v[0].Type != "datasource" || board.Title == "" {
		t.Errorf("variables %+v", v)
	}
	places, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range board.Panels {
		if ids[p.ID] || len(p.Targets) == 0 || p.DataSource.UID != "${datasource}" || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %q: %+v", p.Title, p)
		}
		ids[p.ID] = true
		for _, q := range p.Targets {
			if q.Expr == "" || q.DataSource.UID != "${datasource}" {
				t.Errorf("panel %q: query %+v", p.Title, q)
			}
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, taken := places[[2]int{x, y}]; taken {
					t.Fatalf("panels %q and %q overlap", p.Title, other)
				}
				places[[2]int{x, y}] = p.Title
			}
		}
	}
}
