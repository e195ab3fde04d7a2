package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// cluster is what Kustomize makes of a folder, by kind.
type cluster struct {
	ServiceAccount          corev1.ServiceAccount
	Namespace               corev1.Namespace
	ConfigMap               corev1.ConfigMap
	Service                 corev1.Service // the last one
	Deployment              appsv1.Deployment
	PodDisruptionBudget     policyv1.PodDisruptionBudget
	HorizontalPodAutoscaler autoscalingv2.HorizontalPodAutoscaler
	NetworkPolicy           networkingv1.NetworkPolicy
	ServiceMonitor          monitoringv1.ServiceMonitor
	PrometheusRule          monitoringv1.PrometheusRule
}

// build has Kustomize build a folder, and reads what comes strictly: a key that the API's
// types do not know is a mistake.
func build(t *testing.T, folder string) (c cluster, kinds string) {
	t.Helper()
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		t.Fatal(err)
	}
	into := map[string]any{
		"ServiceAccount": &c.ServiceAccount, "Namespace": &c.Namespace, "ConfigMap": &c.ConfigMap, "Service": &c.Service,
		"Deployment": &c.Deployment, "PodDisruptionBudget": &c.PodDisruptionBudget, "HorizontalPodAutoscaler": &c.HorizontalPodAutoscaler,
		"NetworkPolicy": &c.NetworkPolicy, "ServiceMonitor": &c.ServiceMonitor, "PrometheusRule": &c.PrometheusRule,
	}
	for _, resource := range made.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		kind := resource.GetKind()
		if into[kind] == nil {
			t.Errorf("%s: nobody looks at a %s", folder, kind)
		} else if err := yaml.UnmarshalStrict(text, into[kind]); err != nil {
			t.Errorf("%s: %s: %v", folder, kind, err)
		}
		kinds += kind + " "
	}
	return c, kinds
}

func TestKubernetes_Builds(t *testing.T) {
	t.Parallel()
	const base = "ConfigMap Deployment HorizontalPodAutoscaler NetworkPolicy PodDisruptionBudget Service ServiceAccount"
	for folder, more := range map[string]string{"base": "", "example": " Namespace ServiceMonitor PrometheusRule"} {
		c, kinds := build(t, "kubernetes/"+folder)
		for kind := range strings.FieldsSeq(base + more) {
			if !strings.Contains(kinds, kind+" ") {
				t.Errorf("%s has no %s, only %s", folder, kind, kinds)
			}
		}
		labels := c.Deployment.Spec.Template.Labels
		for about, selector := range map[string]map[string]string{
			"Deployment": c.Deployment.Spec.Selector.MatchLabels, "Service": c.Service.Spec.Selector,
			"PodDisruptionBudget": c.PodDisruptionBudget.Spec.Selector.MatchLabels, "NetworkPolicy": c.NetworkPolicy.Spec.PodSelector.MatchLabels,
		} {
			if len(selector) == 0 || selector["app.kubernetes.io/name"] != labels["app.kubernetes.io/name"] {
				t.Errorf("%s: the %s looks for %v, pods are %v", folder, about, selector, labels)
			}
		}
		if c.HorizontalPodAutoscaler.Spec.ScaleTargetRef.Name != c.Deployment.Name || c.Deployment.Spec.Replicas != nil {
			t.Errorf("%s: the autoscaler and the deployment disagree on who counts pods", folder)
		}
	}
}

// A pod may do nothing that it need not: it holds to the restricted level.
func TestKubernetes_PodsAreRestricted(t *testing.T) {
	t.Parallel()
	c, _ := build(t, "kubernetes/base")
	pod := c.Deployment.Spec.Template.Spec
	if p := pod.SecurityContext; !*p.RunAsNonRoot || *p.RunAsUser == 0 || p.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault || *pod.AutomountServiceAccountToken {
		t.Errorf("the pod: %+v", p)
	}
	g := pod.Containers[0]
	if s := g.SecurityContext; *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || s.Capabilities.Drop[0] != "ALL" || s.Privileged != nil {
		t.Errorf("the container: %+v", s)
	}
	if g.Resources.Limits.Memory().IsZero() || g.Resources.Requests.Cpu().IsZero() || len(g.Env) > 0 {
		t.Errorf("the container has no bounds, or secrets in its environment: %+v %v", g.Resources, g.Env)
	}
	if len(pod.TopologySpreadConstraints) != 2 {
		t.Error("pods are not spread over nodes and zones")
	}
}

// shutdown is what a configuration says of the end.
type shutdown struct {
	Shutdown struct{ Delay, Timeout string }
}

// The grace that a pod is given is longer than all that it does after it was told to go,
// and the readiness probe takes a pod out before it stops to take connections.
func TestKubernetes_GraceFitsTheDrain(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"base", "example"} {
		c, _ := build(t, "kubernetes/"+folder)
		var s shutdown
		if err := yaml.Unmarshal([]byte(c.ConfigMap.Data["gateway.yaml"]), &s); err != nil {
			t.Fatal(err)
		}
		delay, timeout := length(t, s.Shutdown.Delay), length(t, s.Shutdown.Timeout)
		pod := c.Deployment.Spec.Template.Spec
		g := pod.Containers[0]
		before := time.Duration(g.Lifecycle.PreStop.Sleep.Seconds) * time.Second
		if grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second; grace < before+delay+timeout+5*time.Second {
			t.Errorf("%s: a pod is killed after %v, and may take %v + %v + %v", folder, grace, before, delay, timeout)
		}
		r := g.ReadinessProbe
		if notices := time.Duration(r.PeriodSeconds*r.FailureThreshold) * time.Second; notices > delay || r.HTTPGet.Path != "/readyz" {
			t.Errorf("%s: that a pod drains is noticed in %v, after it stopped to take connections (%v)", folder, notices, delay)
		}
		if g.LivenessProbe.HTTPGet.Path != "/healthz" || g.StartupProbe.HTTPGet.Path != "/healthz" {
			t.Errorf("%s: a pod is restarted for something else than its death", folder)
		}
	}
}

func length(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The gateway itself takes the configurations, with the secrets that the README makes.
func TestKubernetes_GatewayTakesItsConfiguration(t *testing.T) {
	t.Parallel()
	secrets := t.TempDir()
	for _, name := range regexp.MustCompile(`--from-(?:file|literal)=(\w+)=`).FindAllStringSubmatch(read(t, "kubernetes/README.md"), -1) {
		value := map[string]string{"redis": "redis://127.0.0.1:6379/0", "captcha_app_id": "190000001"}[name[1]]
		if value == "" {
			value = "a-secret-called-" + name[1]
		}
		if err := os.WriteFile(filepath.Join(secrets, name[1]), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{"base", "example"} {
		c, _ := build(t, "kubernetes/"+folder)
		path := filepath.Join(t.TempDir(), "gateway.yaml")
		text := strings.ReplaceAll(c.ConfigMap.Data["gateway.yaml"], "/run/secrets/captchagate", secrets)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), "go", "-C", "..", "run", "./cmd/gateway", "check", "--config", path).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", folder, err, out)
		}
	}
}
