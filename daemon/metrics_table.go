package daemon

import "github.com/prometheus/client_golang/prometheus"

// Metric describes one metric of a daemon.
type Metric struct {
	Name   string
	Type   string // gauge, counter, histogram
	Labels []string
	Help   string
}

// MetricTable returns every metric that is tunneld's own, in the order of the
// documentation.
func MetricTable() []Metric {
	all := make([]Metric, len(exported))
	for i, m := range exported {
		all[i] = m.Metric
	}
	return all
}

// The metrics. Units and names follow Prometheus' own guide:
// https://prometheus.io/docs/practices/naming/.
var (
	buildInfo       = gauge("tunneld_build_info", "Always 1; the labels say what runs.", "version", "goversion")
	reloadSuccess   = gauge("tunneld_config_last_reload_success", "Whether the last reading of the files found no problem.")
	reloadTime      = gauge("tunneld_config_last_reload_success_timestamp_seconds", "When the files were last read without a problem.")
	profileProblems = gauge("tunneld_profile_problems", "Problems in the files, warnings not counted.")

	linkUp         = gauge("tunneld_link_up", "Whether the link is up; of enabled profiles.", "profile")
	linkState      = gauge("tunneld_link_state", "1 for the state that the link is in, 0 for the others.", "profile", "state")
	linkSince      = gauge("tunneld_link_state_timestamp_seconds", "When the link's state began.", "profile")
	linkRTT        = gauge("tunneld_link_rtt_seconds", "Round trip of the last keepalive, while the link is up.", "profile")
	linkReconnects = counter("tunneld_link_reconnects_total", "Times that the link came up again, by the code of the loss before; none for a restart that was asked for.", "profile", "code")

	forwardUp               = gauge("tunneld_forward_up", "Whether the forward listens; of enabled forwards.", "profile", "forward")
	forwardConnections      = gauge("tunneld_forward_connections", "Connections that are open.", "profile", "forward")
	forwardConnectionsTotal = counter("tunneld_forward_connections_total", "Connections that were accepted.", "profile", "forward")
	forwardFailures         = counter("tunneld_forward_failures_total", "Connections that were accepted but not relayed, by code.", "profile", "forward", "code")
	forwardBytes            = counter("tunneld_forward_bytes_total", "Bytes relayed, by direction: to_server or from_server.", "profile", "forward", "direction")
	forwardHold             = newMetric("histogram", prometheus.UntypedValue, "tunneld_forward_hold_seconds", "How long new connections waited for a link that was not up.", "profile", "forward")

	remoteUp = gauge("tunneld_x11_remote_display_up", "Whether the display at the server is ready; of enabled profiles that have one.", "profile")
)

var exported = []*metric{
	buildInfo, reloadSuccess, reloadTime, profileProblems,
	linkUp, linkState, linkSince, linkRTT, linkReconnects,
	forwardUp, forwardConnections, forwardConnectionsTotal, forwardFailures, forwardBytes, forwardHold,
	remoteUp,
}

// holdBuckets reach from an outage that nobody notices to a long hold.
var holdBuckets = []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}

func newHolds() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: forwardHold.Name, Help: forwardHold.Help, Buckets: holdBuckets}, forwardHold.Labels)
}

// metric is a Metric as the library wants it.
type metric struct {
	Metric
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func gauge(name, help string, labels ...string) *metric {
	return newMetric("gauge", prometheus.GaugeValue, name, help, labels...)
}

func counter(name, help string, labels ...string) *metric {
	return newMetric("counter", prometheus.CounterValue, name, help, labels...)
}

func newMetric(typ string, kind prometheus.ValueType, name, help string, labels ...string) *metric {
	return &metric{Metric{name, typ, labels, help}, prometheus.NewDesc(name, help, labels, nil), kind}
}

// send sends the value that m has for the values of its labels.
func (m *metric) send(out chan<- prometheus.Metric, value float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(m.desc, m.kind, value, labels...)
}
