//go:build linux

package lab

import (
	"os"
	"os/exec"
	"syscall"
	"time"
)

// process runs on a machine of the lab, in a process group of its own, until the test is over.
type process struct {
	l    *network
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// run starts a program; what it prints goes into NAME.log.
func (n *network) run(machine, name string, env []string, args ...string) *process {
	n.t.Helper()
	log, err := os.OpenFile(n.path(name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		n.t.Fatal(err)
	}
	defer log.Close()
	c := exec.Command("ip", append([]string{"netns", "exec", n.name + machine}, args...)...) // which becomes the program
	c.Env = append(os.Environ(), env...)
	c.Stdout, c.Stderr = log, log
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		n.t.Fatal(err)
	}
	p := &process{l: n, name: name, cmd: c, done: make(chan struct{})}
	go func() {
		_ = c.Wait() // how it ended is in its log, and most are killed
		close(p.done)
	}()
	n.t.Cleanup(p.kill)
	return p
}

// signal goes to all processes of the program.
func (p *process) signal(s syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, s) }

// kill ends the program as a power cut does, and waits until it is gone.
func (p *process) kill() {
	select {
	case <-p.done: // its number may be another's by now
		return
	default:
	}
	p.signal(syscall.SIGKILL)
	<-p.done
}

// pause lets the program hang with all its connections.
func (p *process) pause() { p.signal(syscall.SIGSTOP) }

// stop asks the program to end, which it must do in time and without an error.
func (p *process) stop() {
	p.l.t.Helper()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		p.l.t.Fatalf("%s does not stop", p.name)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.l.t.Errorf("%s ended with %d: %s", p.name, code, p.said())
	}
}

// said is what the program printed.
func (p *process) said() string {
	b, err := os.ReadFile(p.l.path(p.name + ".log"))
	if err != nil {
		p.l.t.Error(err)
	}
	return string(b)
}
