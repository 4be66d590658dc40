package nfsd_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// The benchmark's files: one big one, a folder of many, and a folder to write to.
const (
	bigFile  = "media/big"
	bigSize  = 1 << 30
	manySize = 10_000
)

// A peer is one server that is measured, in a process of its own.
type peer struct {
	name      string
	pid       int
	addr      string
	mountAddr string                    // "": the same
	export    func(first string) string // what is mounted to reach this name
	secure    *tls.Config
}

func (p *peer) connect(b *testing.B, addr string) *client {
	b.Helper()
	c := dialTo(b, addr)
	if p.secure != nil {
		c = newClient(tls.Client(ahead(c.conn), p.secure))
	}
	return c
}

// A reader reads ahead below TLS: the client is the same for all peers, and had better not be what limits them.
type reader struct {
	net.Conn
	in *bufio.Reader
}

func ahead(c net.Conn) net.Conn { return reader{c, bufio.NewReaderSize(c, 256<<10)} }

func (r reader) Read(p []byte) (int, error) { return r.in.Read(p) }

// open connects, and finds a file or folder.
func (p *peer) open(b *testing.B, path ...string) (*client, []byte) {
	b.Helper()
	c := p.connect(b, p.addr)
	m := c
	if p.mountAddr != "" {
		m = p.connect(b, p.mountAddr)
		defer m.conn.Close()
	}
	root := must(m.mount(p.export(path[0])))(b)
	return c, must(c.walk(root, path...))(b)
}

// cpu is the processor time that the peer has taken, in seconds. The system counts in hundredths.
func (p *peer) cpu(b *testing.B) float64 {
	b.Helper()
	text := string(must(os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid)))(b))
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	ticks := 0
	for _, f := range fields[11:13] { // utime and stime, proc(5)
		ticks += must(strconv.Atoi(f))(b)
	}
	return float64(ticks) / 100
}

// layOut makes the files, and the certificates.
func layOut(b *testing.B) (dir string, client *tls.Config) {
	b.Helper()
	dir = must(filepath.EvalSymlinks(b.TempDir()))(b)
	for _, d := range []string{"media", "many", "out"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	f := must(os.Create(filepath.Join(dir, bigFile)))(b)
	block := make([]byte, 1<<20)
	for i := range bigSize / len(block) {
		for j := 0; j < len(block); j += 512 {
			be.PutUint64(block[j:], uint64(i*len(block)+j))
		}
		must(f.Write(block))(b)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		b.Fatal(err)
	}
	for i := range manySize {
		if err := os.WriteFile(filepath.Join(dir, "many", manyName(i)), nil, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return dir, saveTLS(b, dir)
}

func manyName(i int) string { return fmt.Sprintf("file-%05d", i) }

// saveTLS puts an authority and a server's certificate into the folder, and returns a client's configuration.
func saveTLS(b testing.TB, dir string) *tls.Config {
	b.Helper()
	a := newAuthority(b)
	server := a.sign(a.template("master"))
	der := must(x509.MarshalPKCS8PrivateKey(server.PrivateKey))(b)
	for name, block := range map[string]*pem.Block{
		"authority.pem":   {Type: "CERTIFICATE", Bytes: a.cert.Raw},
		"certificate.pem": {Type: "CERTIFICATE", Bytes: server.Certificate[0]},
		"key.pem":         {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	c := a.client(a.sign(a.template("worker")))
	c.NextProtos = nil // go-nfs has none
	return c
}

func loadTLS(dir string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "authority.pem"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13}, nil
}

// streamFile is the peer without NFS: to each connection it sends the file once, with sendfile when it is plain.
func streamFile(l net.Listener, path string) error {
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				f, err := os.Open(path)
				if err != nil {
					return
				}
				defer f.Close()
				if _, plain := c.(*net.TCPConn); plain {
					_, _ = io.Copy(c, f)
				} else {
					_, _ = io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{f}, make([]byte, 256<<10))
				}
			}()
		}
	}()
	_, err := io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, l.Close())
}

// run starts a peer that prints its address and ends with its standard input.
func run(b *testing.B, p *peer, cmd *exec.Cmd) *peer {
	b.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = b.Output()
	in := must(cmd.StdinPipe())(b)
	out := bufio.NewReader(must(cmd.StdoutPipe())(b))
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Errorf("%s: %v", p.name, err)
		}
	})
	p.pid = cmd.Process.Pid
	p.addr = strings.TrimSpace(must(out.ReadString('\n'))(b))
	return p
}

func ownPeer(b *testing.B, dir, name, kind string, secure *tls.Config) *peer {
	b.Helper()
	conf := fmt.Sprintf(`{"Dir":%q,"Addr":"127.0.0.1:0","Peer":%q,"Secure":%v}`, dir, kind, secure != nil)
	cmd := exec.Command(must(os.Executable())(b))
	cmd.Env = append(os.Environ(), childVariable+"="+conf)
	export := func(first string) string {
		if first == "many" {
			return "/job-2"
		}
		return "/job-1"
	}
	return run(b, &peer{name: name, export: export, secure: secure}, cmd)
}

func gonfsPeer(b *testing.B, program, dir, name string, secure *tls.Config) *peer {
	b.Helper()
	cmd := exec.Command(program, dir)
	if secure != nil {
		for _, f := range []string{"certificate.pem", "key.pem", "authority.pem"} {
			cmd.Args = append(cmd.Args, filepath.Join(dir, f))
		}
	}
	return run(b, &peer{name: name, export: func(string) string { return "/" }, secure: secure}, cmd)
}

func buildGonfs(b *testing.B) string {
	b.Helper()
	program := filepath.Join(b.TempDir(), "gonfs")
	cmd := exec.Command("go", "build", "-C", "testdata/gonfs", "-o", program, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("build the go-nfs peer: %v\n%s", err, out)
	}
	return program
}

const ganeshaConfig = `
NFS_CORE_PARAM {
	NFS_Port = %[2]d; MNT_Port = %[3]d; Bind_addr = 127.0.0.1; Protocols = 3;
	Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false; mount_path_pseudo = false;
}
NFSv4 { Graceless = true; }
EXPORT {
	Export_Id = 1; Path = %[1]s; Pseudo = /bench; Protocols = 3; Transports = TCP; SecType = sys;
	Access_Type = RW; Squash = No_Root_Squash; MaxRead = 1048576; MaxWrite = 1048576;
	FSAL { Name = VFS; }
}
`

// ganesha starts nfs-ganesha, as root: it opens files by their handles. It wants a port mapper, and gets one that says yes
// to everything, in a mount namespace of its own.
func ganesha(b *testing.B, dir string) *peer {
	b.Helper()
	own := b.TempDir()
	nfsPort, mountPort := freePort(b), freePort(b)
	conf := filepath.Join(own, "ganesha.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, ganeshaConfig, dir, nfsPort, mountPort), 0o600); err != nil {
		b.Fatal(err)
	}
	agreeToAll(b, filepath.Join(own, "rpcbind.sock"))
	log := filepath.Join(own, "log")
	cmd := exec.Command("unshare", "--mount", "sh", "-c", `mount --bind "$1" /run && exec ganesha.nfsd -F -f "$2" -L "$3" -p "$1/pid" -N CRIT`, "sh", own, conf, log)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	p := &peer{
		name: "nfs-ganesha", pid: cmd.Process.Pid, export: func(string) string { return dir },
		addr: fmt.Sprintf("127.0.0.1:%d", nfsPort), mountAddr: fmt.Sprintf("127.0.0.1:%d", mountPort),
	}
	until(b, "nfs-ganesha serves; its log is "+log, func() bool {
		conn, err := net.Dial("tcp", p.mountAddr)
		if err != nil {
			return false
		}
		defer conn.Close()
		_, err = newClient(conn).do(call{prog: progMount})
		return err == nil
	})
	return p
}

func freePort(b *testing.B) int {
	b.Helper()
	l := must(net.Listen("tcp", "127.0.0.1:0"))(b)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// agreeToAll answers every RPC call at a socket with success and true.
func agreeToAll(b *testing.B, path string) {
	b.Helper()
	l := must(net.Listen("unix", path))(b)
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for {
					var mark [4]byte
					if _, err := io.ReadFull(conn, mark[:]); err != nil {
						return
					}
					m := make([]byte, be.Uint32(mark[:])&^lastFragment)
					if _, err := io.ReadFull(conn, m); err != nil {
						return
					}
					if _, err := conn.Write(record(xdr(m[:4:4]).u32(1).u32(0).u32(0).u32(0).u32(0).u32(1))); err != nil {
						return
					}
				}
			}()
		}
	}()
}
