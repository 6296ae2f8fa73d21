package ledger

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// kills is how often the writer of each of two ledgers is killed.
const kills = 100

// writerEnv makes of the test's program the writer that is killed; it holds the folders and the number of the first record.
const writerEnv = "COREWATCH_TEST_LEDGER_WRITER"

func TestMain(m *testing.M) {
	if os.Getenv(writerEnv) != "" {
		write()
	}
	os.Exit(m.Run())
}

// write appends to the ledger named by its arguments until it is killed, and says of each record when it is acknowledged.
func write() {
	p := place{os.Getenv(writerEnv), os.Getenv(writerEnv + "_KEYS")}
	l, err := p.try()
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	fmt.Println("open", l.Size())
	for i := int(l.Size()); ; {
		n := 1 + i%3*40
		if _, err := l.Append(context.Background(), records(i, n)...); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		i += n
		fmt.Println("leaves", i)
		if i%4 == 0 {
			c, err := l.Publish(context.Background())
			if err != nil {
				fmt.Println("failed:", err)
				os.Exit(1)
			}
			fmt.Println("signed", c.Size)
		}
	}
}

// TestKilled kills processes that append and sign, 200 times at random moments. After each, the next one finds a ledger that verifies as a whole, and in it
// everything that was acknowledged; at the end every leaf is the one that was written.
func TestKilled(t *testing.T) {
	for n := range 2 {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			killed(t, rand.New(rand.NewPCG(5, uint64(n))))
		})
	}
}

func killed(t *testing.T, rng *rand.Rand) {
	p := newPlace(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	leaves, signed, rounds := 0, 0, 0
	for k := range kills {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), writerEnv+"="+p.dir, writerEnv+"_KEYS="+p.keys)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(time.Hour, func() { cmd.Process.Kill() })
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var word string
			var n int
			if c, _ := fmt.Sscan(lines.Text(), &word, &n); c != 2 {
				t.Fatalf("after %d kills, with %d leaves acknowledged: %s", k, leaves, lines.Text())
			}
			switch word {
			case "open": // from now on it can die at any octet of what it writes
				if n < leaves {
					t.Fatalf("after %d kills there are %d leaves of %d acknowledged", k, n, leaves)
				}
				kill.Reset(time.Duration(rng.IntN(36_000)) * time.Microsecond)
			case "leaves":
				leaves = n
				rounds++
			case "signed":
				signed = n
			}
		}
		cmd.Wait() //nolint:errcheck // it was killed
		kill.Stop()
	}
	l := p.open(t)
	if l.Size() < int64(leaves) || l.Published().Size < int64(signed) {
		t.Fatalf("%d leaves of %d, signed %d of %d", l.Size(), leaves, l.Published().Size, signed)
	}
	publish(t, l)
	err = l.Reader().Walk(func(i int64, rec Record, err error) error {
		if err != nil || rec != record(int(i)) {
			t.Fatalf("leaf %d is %+v, %v", i, rec, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if rounds < kills/8 {
		t.Errorf("only %d batches were acknowledged between %d kills", rounds, kills)
	}
	t.Log(strconv.Itoa(rounds) + " batches, " + strconv.Itoa(leaves) + " leaves")
}
