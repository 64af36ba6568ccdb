package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"tunneld/profiles"
)

const manifests = "../examples/kubernetes"

// manifest is the part of Kubernetes' API that the manifests use: a key that is
// not here is probably a mistake (kubernetes.io/docs/reference/kubernetes-api).
type manifest struct {
	APIVersion string            `yaml:"apiVersion"`
	Kind       string            `yaml:"kind"`
	Metadata   meta              `yaml:"metadata"`
	Data       map[string]string `yaml:"data"` // of a ConfigMap
	Spec       struct {
		Replicas int                   `yaml:"replicas"`
		Strategy struct{ Type string } `yaml:"strategy"`
		Selector selector              `yaml:"selector"`
		Template struct {
			Metadata meta
			Spec     podSpec
		} `yaml:"template"`
	} `yaml:"spec"`
}

type meta struct {
	Name   string            `yaml:"name"`
	Labels map[string]string `yaml:"labels"`
}

type selector struct {
	MatchLabels map[string]string `yaml:"matchLabels"`
}

type podSpec struct {
	AutomountServiceAccountToken  bool `yaml:"automountServiceAccountToken"`
	TerminationGracePeriodSeconds int  `yaml:"terminationGracePeriodSeconds"`
	SecurityContext               struct {
		RunAsNonRoot   bool `yaml:"runAsNonRoot"`
		RunAsUser      int  `yaml:"runAsUser"`
		RunAsGroup     int  `yaml:"runAsGroup"`
		FSGroup        int  `yaml:"fsGroup"`
		SeccompProfile struct {
			Type string `yaml:"type"`
		} `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	TopologySpreadConstraints []struct {
		MaxSkew           int      `yaml:"maxSkew"`
		TopologyKey       string   `yaml:"topologyKey"`
		WhenUnsatisfiable string   `yaml:"whenUnsatisfiable"`
		LabelSelector     selector `yaml:"labelSelector"`
	} `yaml:"topologySpreadConstraints"`
	Containers []container `yaml:"containers"`
	Volumes    []volume    `yaml:"volumes"`
}

type container struct {
	Name  string   `yaml:"name"`
	Image string   `yaml:"image"`
	Args  []string `yaml:"args"`
	Ports []struct {
		Name          string `yaml:"name"`
		ContainerPort int    `yaml:"containerPort"`
	} `yaml:"ports"`
	ReadinessProbe struct {
		Exec struct {
			Command []string `yaml:"command"`
		} `yaml:"exec"`
		PeriodSeconds  int `yaml:"periodSeconds"`
		TimeoutSeconds int `yaml:"timeoutSeconds"`
	} `yaml:"readinessProbe"`
	LivenessProbe struct {
		HTTPGet struct {
			Path string `yaml:"path"`
			Port string `yaml:"port"`
		} `yaml:"httpGet"`
		PeriodSeconds  int `yaml:"periodSeconds"`
		TimeoutSeconds int `yaml:"timeoutSeconds"`
	} `yaml:"livenessProbe"`
	Resources struct {
		Requests map[string]string `yaml:"requests"`
		Limits   map[string]string `yaml:"limits"`
	} `yaml:"resources"`
	SecurityContext struct {
		AllowPrivilegeEscalation bool `yaml:"allowPrivilegeEscalation"`
		ReadOnlyRootFilesystem   bool `yaml:"readOnlyRootFilesystem"`
		Capabilities             struct {
			Drop []string `yaml:"drop"`
		} `yaml:"capabilities"`
	} `yaml:"securityContext"`
	VolumeMounts []struct {
		Name      string `yaml:"name"`
		MountPath string `yaml:"mountPath"`
		ReadOnly  bool   `yaml:"readOnly"`
	} `yaml:"volumeMounts"`
}

type volume struct {
	Name     string `yaml:"name"`
	EmptyDir *struct {
		Medium string `yaml:"medium"`
	} `yaml:"emptyDir"`
	Projected *struct {
		Sources []source `yaml:"sources"`
	} `yaml:"projected"`
}

// source of a projected volume.
type source struct {
	ConfigMap *keys `yaml:"configMap"`
	Secret    *keys `yaml:"secret"`
}

type keys struct {
	Name  string `yaml:"name"`
	Items []struct {
		Key  string      `yaml:"key"`
		Path string      `yaml:"path"`
		Mode os.FileMode `yaml:"mode"`
	} `yaml:"items"`
}

// readManifests returns the two manifests.
func readManifests(t testing.TB) (config, deployment manifest) {
	t.Helper()
	for path, m := range map[string]*manifest{"profiles.yaml": &config, "deployment.yaml": &deployment} {
		text, err := os.ReadFile(filepath.Join(manifests, path))
		if err != nil {
			t.Fatal(err)
		}
		d := yaml.NewDecoder(bytes.NewReader(text))
		d.KnownFields(true)
		if err := d.Decode(m); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if err := d.Decode(&manifest{}); !errors.Is(err, io.EOF) {
			t.Fatalf("%s: a second document: %v", path, err)
		}
	}
	return config, deployment
}

// The manifests fit each other, let the pod do little, and name commands and
// profiles that there are.
func TestKubernetesManifests(t *testing.T) {
	config, deployment := readManifests(t)
	pod := deployment.Spec.Template.Spec
	c := pod.Containers[0]
	for what, good := range map[string]bool{
		"kinds":     config.APIVersion == "v1" && config.Kind == "ConfigMap" && deployment.APIVersion == "apps/v1" && deployment.Kind == "Deployment",
		"replicas":  deployment.Spec.Replicas == 2 && deployment.Spec.Strategy.Type == "Recreate",
		"labels":    deployment.Spec.Selector.MatchLabels["app.kubernetes.io/name"] == deployment.Spec.Template.Metadata.Labels["app.kubernetes.io/name"],
		"account":   pod.SecurityContext.RunAsNonRoot && pod.SecurityContext.RunAsUser > 0 && pod.SecurityContext.FSGroup > 0 && !pod.AutomountServiceAccountToken,
		"container": c.SecurityContext.ReadOnlyRootFilesystem && !c.SecurityContext.AllowPrivilegeEscalation && slices.Equal(c.SecurityContext.Capabilities.Drop, []string{"ALL"}),
		"probe":     c.ReadinessProbe.TimeoutSeconds > 5 && c.LivenessProbe.HTTPGet.Port == c.Ports[0].Name,
		"metrics":   strings.Contains(config.Data["daemon.toml"], `metrics = "0.0.0.0:9464"`) && c.Ports[0].ContainerPort == 9464,
	} {
		if !good {
			t.Errorf("%s: not as they should be", what)
		}
	}
	volumes := map[string]bool{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = true
	}
	for _, m := range c.VolumeMounts {
		if !volumes[m.Name] {
			t.Errorf("%s is mounted from no volume", m.MountPath)
		}
	}
	wantCommand(t, c.Args)
	wantCommand(t, c.ReadinessProbe.Exec.Command[1:])

	dir := t.TempDir()
	project(t, config, pod, nil, dir)
	l := &profiles.Loader{Dir: dir, Env: profiles.Environment{System: true}}
	set, problems := l.Load()
	if set.Len() != 1 || len(problems) > 0 {
		t.Errorf("%d profiles, problems %v", set.Len(), problems)
	}
}

// The image runs commands that there are, as the account of the deployment.
func TestContainerfile(t *testing.T) {
	text, err := os.ReadFile("../examples/container/Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	_, deployment := readManifests(t)
	c := deployment.Spec.Template.Spec.Containers[0]
	array := func(args []string) string { return `["` + strings.Join(args, `", "`) + `"]` }
	for _, line := range []string{
		"\nUSER 65532:65532\n", "\nENTRYPOINT [\"/usr/bin/tunneld\"]\n", "\nCMD " + array(c.Args) + "\n", " CMD " + array(c.ReadinessProbe.Exec.Command) + "\n",
	} {
		if !strings.Contains(string(text), line) {
			t.Errorf("no line %q", line)
		}
	}
	if pod := deployment.Spec.Template.Spec; pod.SecurityContext.RunAsUser != 65532 {
		t.Errorf("account %d", pod.SecurityContext.RunAsUser)
	}
	version := regexp.MustCompile(`golang:(\S+)`).FindSubmatch(text)
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(mod), "\ngo "+string(version[1])) {
		t.Errorf("go.mod wants another Go than %s", version[1])
	}
}

// wantCommand wants a command line that the program understands.
func wantCommand(t *testing.T, args []string) {
	t.Helper()
	c, rest, err := newRoot().Find(args)
	if err == nil {
		err = c.ParseFlags(rest)
	}
	if err == nil {
		err = c.ValidateArgs(c.Flags().Args())
	}
	if err != nil || !c.Runnable() || c.Parent() == nil {
		t.Errorf("%q: %v", args, err)
	}
}

// project writes the volume of the profiles into a folder as a kubelet does, in
// a folder beside to which links lead. Secrets have the values of secret.
func project(t testing.TB, config manifest, pod podSpec, secret map[string]string, dir string) {
	t.Helper()
	write := func(k *keys, values map[string]string) {
		for _, item := range k.Items {
			value, ok := values[item.Key]
			if !ok && k.Name == config.Metadata.Name {
				t.Fatalf("the ConfigMap has no %s", item.Key)
			}
			path := filepath.Join(dir, "..one", item.Path)
			mode := item.Mode
			if mode == 0 {
				mode = 0o644
			}
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(value), mode), os.Chmod(path, mode)); err != nil {
				t.Fatal(err)
			}
			top, _, _ := strings.Cut(item.Path, "/")
			if err := os.Symlink("..data/"+top, filepath.Join(dir, top)); err != nil && !errors.Is(err, os.ErrExist) {
				t.Fatal(err)
			}
		}
	}
	for _, v := range pod.Volumes {
		if v.Projected == nil {
			continue
		}
		for _, s := range v.Projected.Sources {
			if s.ConfigMap != nil {
				write(s.ConfigMap, config.Data)
			}
			if s.Secret != nil {
				write(s.Secret, secret)
			}
		}
	}
	if err := os.Symlink("..one", filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
}
