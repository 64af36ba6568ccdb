package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tunneld/internal/sshtest"
)

// replica is a pod of the deployment, in a namespace of its own: the program
// alone in a root that nobody can write, the profiles read-only, an account
// without power.
type replica struct {
	*process
	account int
}

// startReplica runs the container's command as a kubelet would.
func startReplica(t *testing.T, binary string, config manifest, pod podSpec, secret map[string]string) *replica {
	t.Helper()
	r := &replica{process: &process{t: t}, account: pod.SecurityContext.RunAsUser}
	root, volumes := t.TempDir(), t.TempDir()
	script := "set -e; cd " + root + "\ninstall -D " + binary + " usr/bin/tunneld\n"
	for _, m := range pod.Containers[0].VolumeMounts {
		volume := filepath.Join(volumes, m.Name)
		if err := errors.Join(os.Mkdir(volume, 0o777), os.Chmod(volume, os.ModeSetgid|0o777), os.Chown(volume, 0, pod.SecurityContext.FSGroup)); err != nil {
			t.Fatal(err)
		}
		script += fmt.Sprintf("mkdir -p .%[2]s; mount --bind %[1]s .%[2]s\n", volume, m.MountPath)
		if m.ReadOnly {
			project(t, config, pod, secret, volume)
			script += fmt.Sprintf("chgrp -R %d %[2]s; mount -o remount,bind,ro .%[3]s\n", pod.SecurityContext.FSGroup, volume, m.MountPath)
		}
	}
	script += "mount --rbind . .; mount -o remount,bind,ro " + root + "\n" +
		fmt.Sprintf("exec setpriv --no-new-privs chroot --userspec %d:%d %s /usr/bin/tunneld \"$@\"", r.account, pod.SecurityContext.RunAsGroup, root)
	r.startAs(exec.Command("unshare", append([]string{"--mount", "sh", "-c", script, "sh"}, pod.Containers[0].Args...)...))
	return r
}

// probe runs the readiness probe in the container.
func (r *replica) probe(command []string) (out string, status int) {
	r.t.Helper()
	account := strconv.Itoa(r.account)
	args := []string{"--target", strconv.Itoa(r.cmd.Process.Pid), "--mount", "--root", "--setuid", account, "--setgid", account}
	cmd := exec.Command("nsenter", append(args, command...)...)
	cmd.Env = []string{"PATH=/usr/bin"}
	text, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		r.t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// Of two replicas the first holds the remote port and is ready. The second
// stands by, says why, and takes the port when the first is killed.
func TestKubernetesReplicas(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root makes containers")
	}
	binary := filepath.Join(t.TempDir(), "tunneld")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	d, echo, port := sshtest.StartSSHD(t), sshtest.Echo(t), freeAddr(t)
	config, deployment := readManifests(t)
	pod := deployment.Spec.Template.Spec
	secret := redirect(t, &config, d, port, echo.Addr)
	probe := pod.Containers[0].ReadinessProbe.Exec.Command

	first := startReplica(t, binary, config, pod, secret)
	first.forward(0, "work", "webhook", "listening")
	if out, status := first.probe(probe); status != 0 {
		t.Fatalf("the first is not ready: %d\n%s", status, out)
	}
	ping(t, dialTCP(t, port), "through the first")

	second := startReplica(t, binary, config, pod, secret)
	second.coded(0, "work", "remote_port_busy")
	if out, status := second.probe(append(probe[:len(probe)-1:len(probe)-1], "0s")); status != exitNotUp || !strings.Contains(out, "remote_port_busy") {
		t.Errorf("the second: %d\n%s", status, out)
	}
	mark := second.mark()
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	second.forward(mark, "work", "webhook", "listening")
	if out, status := second.probe(probe); status != 0 {
		t.Errorf("the second is not ready: %d\n%s", status, out)
	}
	ping(t, dialTCP(t, port), "through the second")
}

// redirect makes the manifest's profile one for the server d, and returns its key.
func redirect(t *testing.T, config *manifest, d *sshtest.SSHD, port, target string) map[string]string {
	t.Helper()
	_, remotePort, err := net.SplitHostPort(port)
	if err != nil {
		t.Fatal(err)
	}
	replace := func(key, old, text string) {
		if !strings.Contains(config.Data[key], old) {
			t.Fatalf("%s: no %s", key, old)
		}
		config.Data[key] = strings.Replace(config.Data[key], old, text, 1)
	}
	replace("work.toml", `host = "gw.example.com"`, fmt.Sprintf("host = %q\nport = %d", d.Host, d.Port))
	replace("work.toml", `user = "ana"`, fmt.Sprintf("user = %q", d.User))
	replace("work.toml", "listen = 8080", "listen = "+remotePort)
	replace("work.toml", `target = "webhook.default.svc:80"`, fmt.Sprintf("target = %q", target))
	replace("daemon.toml", `metrics = "0.0.0.0:9464"`, "")
	known, err := os.ReadFile(d.KnownHosts)
	if err != nil {
		t.Fatal(err)
	}
	config.Data["known_hosts"] = string(known)
	key, err := os.ReadFile(d.ClientKey)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"work": string(key)}
}
