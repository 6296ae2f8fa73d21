//go:build linux

package lab

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// route is a prefix and the network that it belongs to, behind each router.
type route struct {
	prefix string
	as     int
}

func (r route) v6() bool       { return strings.Contains(r.prefix, ":") }
func (r route) origin() string { return fmt.Sprintf("AS%d", r.as) }

// The networks that are lost, by their country, and those that stay.
var (
	v4Targets = routes("100.64.%d.0/24", 12, 65001, 65002, 65003)
	v6Targets = routes("2001:db8:a%02x::/48", 12, 65011, 65012, 65013)
	targets   = append(append([]route(nil), v4Targets...), v6Targets...)
	base      = append(routes("198.18.%d.0/24", 16, 65101, 65102), routes("2001:db8:b%02x::/48", 16, 65101, 65102)...)
)

// The countries of those that are lost.
const countryV4, countryV6 = "PK", "DJ" // overrides.csv puts the networks there, and could have named any

// routes gives n prefixes, in turn to the networks.
func routes(form string, n int, networks ...int) (all []route) {
	for i := range n {
		all = append(all, route{fmt.Sprintf(form, i), networks[i%len(networks)]})
	}
	return all
}

// The routers. Each AS is a voter; ExaBGP plays several.
const (
	monitorAS  = 64512
	birdAS     = 64702
	frrAS      = 64703
	birdHost   = 2
	frrHost    = 3
	overBMP    = 21 // the host, and in its AS, of the session that only FRR has, and reports
	voters     = 13
	overIPv6   = 15 // the host whose session is over IPv6
	password   = "s3cret of the lab"
	hold       = 6 * time.Second
	restart1   = 60 * time.Second // announced by the first ExaBGP, and by the second:
	restart2   = 4 * time.Second
	holdOutage = 9 * time.Second // longer than what makes an outage: suspect_after_s and confirm_after_s
)

var (
	exa1Hosts = []int{11, 12, 13, 14, 15}
	exa2Hosts = []int{16, 17, 18, 19, 20}
)

func exaAS(host int) int { return 64700 + host }

// startBIRD has the session with a password, and offers several paths of a prefix.
func (l *lab) startBIRD() {
	var b strings.Builder
	fmt.Fprintf(&b, "log \"%s\" all;\nrouter id %s;\nprotocol device {}\n", l.path("bird.messages"), addr4(birdHost))
	var filter strings.Builder
	for _, set := range []struct {
		name   string
		routes []route
	}{{"base", base}, {"targets4", v4Targets}, {"targets6", v6Targets}} {
		byOrigin := map[int][]route{}
		for _, r := range set.routes {
			byOrigin[r.as] = append(byOrigin[r.as], r)
		}
		for as, list := range byOrigin {
			for _, channel := range []string{"ipv4", "ipv6"} {
				name := fmt.Sprintf("%s_%d_%s", set.name, as, channel)
				text := ""
				for _, r := range list {
					if r.v6() == (channel == "ipv6") {
						text += "  route " + r.prefix + " blackhole;\n"
					}
				}
				if text == "" {
					continue
				}
				fmt.Fprintf(&b, "protocol static %s {\n  %s;\n%s}\n", name, channel, text)
				fmt.Fprintf(&filter, "  if proto = \"%s\" then { bgp_path.prepend(%d); accept; }\n", name, as)
			}
		}
	}
	fmt.Fprintf(&b, "filter told {\n%s  reject;\n}\n", filter.String())
	fmt.Fprintf(&b, `protocol bgp monitor {
  local %s as %d; neighbor %s as %d; passive; password "%s"; hold time 9; graceful restart off;
  ipv4 { import none; export filter told; add paths tx; };
  ipv6 { import none; export filter told; next hop address %s; };
}
`, addr4(birdHost), birdAS, addr4(monitorHost), monitorAS, password, addr6(birdHost))
	l.bird = l.run("bird", "bird", nil, "bird", "-f", "-c", l.file("bird.conf", b.String()), "-s", l.path("bird.ctl"))
}

// birdTargets lets BIRD announce or withdraw routes.
func (l *lab) birdTargets(list []route, verb string) {
	done := map[string]bool{}
	for _, r := range list {
		name := fmt.Sprintf("targets4_%d_ipv4", r.as)
		if r.v6() {
			name = fmt.Sprintf("targets6_%d_ipv6", r.as)
		}
		if !done[name] {
			done[name] = true
			l.in("bird", "birdc", "-s", l.path("bird.ctl"), verb, name)
		}
	}
}

// startFRR has a session with the monitor, and reports another to it over BMP.
func (l *lab) startFRR() {
	var b strings.Builder
	fmt.Fprintf(&b, `frr defaults traditional
hostname frr
log file %s
`, l.path("frr.messages"))
	origins := map[int]bool{}
	for _, r := range append(append([]route(nil), base...), targets...) {
		origins[r.as] = true
	}
	for as := range origins {
		fmt.Fprintf(&b, "route-map from%d permit 10\n set as-path prepend %d\n", as, as)
	}
	fmt.Fprintf(&b, "route-map nothing deny 10\nroute-map over6 permit 10\n set ipv6 next-hop global %s\n", addr6(frrHost))
	fmt.Fprintf(&b, `router bgp %[1]d
 bgp router-id %[2]s
 no bgp ebgp-requires-policy
 no bgp network import-check
 timers bgp 3 9
 neighbor %[3]s remote-as %[4]d
 neighbor %[3]s timers connect 1
 neighbor %[3]s advertisement-interval 0
 neighbor %[5]s remote-as %[6]d
 neighbor %[5]s passive
 neighbor %[5]s timers 1 %[7]d
`, frrAS, addr4(frrHost), addr4(monitorHost), monitorAS, addr4(overBMP), exaAS(overBMP), int(hold.Seconds()))
	for _, family := range []string{"ipv4", "ipv6"} {
		fmt.Fprintf(&b, " address-family %s unicast\n", family)
		for _, r := range slices.Concat(base, targets) {
			if r.v6() == (family == "ipv6") {
				fmt.Fprintf(&b, "  network %s route-map from%d\n", r.prefix, r.as)
			}
		}
		fmt.Fprintf(&b, "  neighbor %s activate\n  neighbor %s addpath-tx-all-paths\n  neighbor %s activate\n  neighbor %s soft-reconfiguration inbound\n  neighbor %s route-map nothing out\n",
			addr4(monitorHost), addr4(monitorHost), addr4(overBMP), addr4(overBMP), addr4(overBMP))
		if family == "ipv6" {
			fmt.Fprintf(&b, "  neighbor %s route-map over6 out\n", addr4(monitorHost))
		}
		fmt.Fprintln(&b, " exit-address-family")
	}
	fmt.Fprintf(&b, ` bmp targets lab
  bmp monitor ipv4 unicast pre-policy
  bmp monitor ipv6 unicast pre-policy
  bmp monitor ipv4 unicast post-policy
  bmp stats interval 1000
  bmp connect %s port %d min-retry 100 max-retry 1000
 exit
exit
`, addr4(monitorHost), bmpPort)
	l.file("frr.conf", b.String())
	run := l.path("frr")
	if err := errors.Join(os.Mkdir(run, 0o755), owned(run, "frr")); err != nil {
		l.t.Fatal(err)
	}
	// zebra knows which next hops there are; it insists on a user of its own, which bgpd does not with -S.
	l.run("frr", "zebra", nil, "/usr/lib/frr/zebra", "-f", "/dev/null", "-i", run+"/zebra.pid", "-z", run+"/zserv.api", "--vty_socket", run)
	l.startBGPD()
}

func (l *lab) startBGPD() {
	run := l.path("frr")
	l.bgpd = l.run("frr", "bgpd", nil, "/usr/lib/frr/bgpd", "-S", "-M", "bmp", "-f", l.path("frr.conf"), "-i", run+"/bgpd.pid", "-z", run+"/zserv.api", "--vty_socket", run)
}

// owned gives a folder to a user.
func owned(path, name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	return os.Chown(path, uid, gid)
}

// frrRoutes lets FRR announce or withdraw routes.
func (l *lab) frrRoutes(list []route, announce bool) {
	args := []string{"vtysh", "--vty_socket", l.path("frr"), "-c", "configure terminal", "-c", fmt.Sprintf("router bgp %d", frrAS)}
	for _, family := range []string{"ipv4", "ipv6"} {
		args = append(args, "-c", "address-family "+family+" unicast")
		for _, r := range list {
			switch {
			case r.v6() != (family == "ipv6"):
			case announce:
				args = append(args, "-c", fmt.Sprintf("network %s route-map from%d", r.prefix, r.as))
			default:
				args = append(args, "-c", "no network "+r.prefix)
			}
		}
		args = append(args, "-c", "exit-address-family")
	}
	l.in("frr", args...)
}

// exabgp is a process of ExaBGP with several sessions, and the pipe that it is told on what to announce.
type exabgp struct {
	*process
	hosts []int
	pipe  *os.File
}

func (l *lab) startExa(name string, hosts []int, restart time.Duration) *exabgp {
	fifo := l.path(name + ".fifo")
	if err := os.Remove(fifo); err != nil && !os.IsNotExist(err) {
		l.t.Fatal(err)
	}
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		l.t.Fatal(err)
	}
	pipe, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { pipe.Close() })
	var b strings.Builder
	fmt.Fprintf(&b, "process script { run /bin/cat %s; encoder text; }\n", fifo)
	for _, h := range hosts {
		as := monitorAS
		if h == overBMP {
			as = frrAS
		}
		local, to := ends(h)
		fmt.Fprintf(&b, `neighbor %s { router-id %s; local-address %s; local-as %d; peer-as %d; hold-time 9;
  capability { graceful-restart %d; }
  family { ipv4 unicast; ipv6 unicast; }
  api { processes [ script ]; }
}
`, to, addr4(h), local, exaAS(h), as, int(restart.Seconds()))
	}
	env := []string{"exabgp.daemon.user=root", "exabgp.api.ack=false", "exabgp.api.cli=false", "exabgp.log.destination=" + l.path(name+".messages")}
	return &exabgp{l.run(name, name, env, "exabgp", l.file(name+".conf", b.String())), hosts, pipe}
}

// ends are the addresses of a session of ExaBGP.
func ends(host int) (local, to string) {
	switch host {
	case overIPv6:
		return addr6(host), addr6(monitorHost)
	case overBMP:
		return addr4(host), addr4(frrHost)
	}
	return addr4(host), addr4(monitorHost)
}

func (l *lab) startExa1() {
	l.exa1 = l.startExa("exa1", append([]int{overBMP}, exa1Hosts...), restart1)
}

func (l *lab) startExa2() { l.exa2 = l.startExa("exa2", exa2Hosts, restart2) }

// voters are the ASes that ExaBGP plays.
func (e *exabgp) voters() (list []int) {
	for _, h := range e.hosts {
		list = append(list, exaAS(h))
	}
	return list
}

// tell announces or withdraws routes on every session.
func (e *exabgp) tell(verb string, lists ...[]route) {
	var b strings.Builder
	for _, h := range e.hosts {
		local, to := ends(h)
		for _, list := range lists {
			for _, r := range list {
				next := addr4(h)
				if r.v6() {
					next = addr6(h)
				}
				fmt.Fprintf(&b, "neighbor %s local-ip %s %s route %s next-hop %s as-path [ %d %d ]\n", to, local, verb, r.prefix, next, exaAS(h), r.as)
			}
		}
	}
	if _, err := e.pipe.WriteString(b.String()); err != nil {
		e.l.t.Error(err)
	}
}

// announce lets every router announce routes; withdraw takes them back.
func (l *lab) announce(list []route) {
	l.exa1.tell("announce", list)
	l.exa2.tell("announce", list)
	l.birdTargets(list, "enable")
	l.frrRoutes(list, true)
}

func (l *lab) withdraw(list []route) {
	l.exa1.tell("withdraw", list)
	l.exa2.tell("withdraw", list)
	l.birdTargets(list, "disable")
	l.frrRoutes(list, false)
}
