package deploy_test

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
)

var update = flag.Bool("update", false, "write kubernetes/monitoring/rules.yaml from configs/prometheus/rules.yml")

const rulesHead = `# Written from configs/prometheus/rules.yml by "make rules".
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: captchagate}
spec:
`

// A cluster has the alert rules that everybody has, which promtool tries.
func TestKubernetes_HasTheAlertRules(t *testing.T) {
	t.Parallel()
	const path = "kubernetes/monitoring/rules.yaml"
	_, groups, _ := strings.Cut("\n"+read(t, "../configs/prometheus/rules.yml"), "\ngroups:\n")
	want := rulesHead + regexp.MustCompile(`(?m)^(.)`).ReplaceAllString("groups:\n"+groups, "  $1")
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if read(t, path) != want {
		t.Errorf("%s is older than configs/prometheus/rules.yml: make rules", path)
	}
	c, _ := build(t, "kubernetes/example")
	if r := c.PrometheusRule.Spec.Groups; len(r) != 1 || len(r[0].Rules) < 10 || r[0].Rules[0].Expr.String() == "" {
		t.Errorf("the cluster has the rules %+v", r)
	}
}

// Rules sum "without (instance)": a label that each pod has for itself besides would have
// every pod be a fleet of its own, and one that opened alone be an outage.
func TestKubernetes_PodsDifferByInstanceAlone(t *testing.T) {
	t.Parallel()
	c, _ := build(t, "kubernetes/example")
	dropped := map[string]bool{}
	for _, relabel := range c.ServiceMonitor.Spec.Endpoints[0].RelabelConfigs {
		for _, label := range []string{"pod", "container", "node", "instance", "job"} {
			if relabel.Action == "labeldrop" && regexp.MustCompile("^(?:"+relabel.Regex+")$").MatchString(label) {
				dropped[label] = true
			}
		}
	}
	if !dropped["pod"] || !dropped["container"] || !dropped["node"] || dropped["instance"] || dropped["job"] {
		t.Errorf("of the labels of pods only %v are dropped", dropped)
	}
	if first := c.ServiceMonitor.Spec.Endpoints[0].RelabelConfigs[0]; first.TargetLabel != "instance" || first.SourceLabels[0] != monitoringv1.LabelName("__meta_kubernetes_pod_name") {
		t.Errorf("an instance is not called as its pod: %+v", first)
	}
}
