package collect

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tree writes files (name -> content) below a new folder and gives its path.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func names(files []File) (out []string) {
	for _, f := range files {
		out = append(out, f.Input.Collector+" "+f.Input.Name)
	}
	return out
}

func TestExpand(t *testing.T) {
	dir := tree(t, map[string]string{
		"rrc00/updates.2": "22", "rrc00/updates.1": "1", "rrc00/.hidden": "x", "rrc00/.git/config": "x",
		"rrc00/2008.02/updates.0": "000",
		"linx/b.gz":               "b", "linx/a.gz": "a",
	})
	rrc, linx := filepath.Join(dir, "rrc00"), filepath.Join(dir, "linx")
	for what, c := range map[string]struct {
		args []string
		want []string
	}{
		"a file's collector is its parent folder": {[]string{filepath.Join(rrc, "updates.1")}, []string{"rrc00 updates.1"}},
		"unless it is named":                      {[]string{"ris=" + filepath.Join(rrc, "updates.1")}, []string{"ris updates.1"}},
		"a folder is everything below, without dot files; each file's collector is its own folder": {
			[]string{rrc},
			[]string{"2008.02 2008.02/updates.0", "rrc00 updates.1", "rrc00 updates.2"},
		},
		"a named folder is one collector, whatever lies in it": {[]string{"x=" + rrc}, []string{"x 2008.02/updates.0", "x updates.1", "x updates.2"}},
		"the order is by collector and name, whatever the order of the arguments": {
			[]string{rrc + "/updates.2", linx + "/b.gz", rrc + "/updates.1", linx + "/a.gz"},
			[]string{"linx a.gz", "linx b.gz", "rrc00 updates.1", "rrc00 updates.2"},
		},
		"a name with a dot":      {[]string{"route-views.linx=" + filepath.Join(linx, "a.gz")}, []string{"route-views.linx a.gz"}},
		"standard input":         {[]string{"-"}, []string{"stdin -"}},
		"standard input, named":  {[]string{"rrc21=-"}, []string{"rrc21 -"}},
		"a dot folder by itself": {[]string{filepath.Join(rrc, ".git")}, []string{".git config"}},
		"a dot file by itself":   {[]string{filepath.Join(rrc, ".hidden")}, []string{"rrc00 .hidden"}},
	} {
		got, err := Expand(c.args)
		if err != nil || !slices.Equal(names(got), c.want) {
			t.Errorf("%s: %q, %v; want %q", what, names(got), err, c.want)
		}
	}
	got, err := Expand([]string{rrc})
	if err != nil {
		t.Fatal(err)
	}
	if f := got[0]; f.Input.Bytes != 3 || f.Path != filepath.Join(rrc, "2008.02", "updates.0") {
		t.Errorf("%+v", f)
	}
}

// TestExpandEqualsSign: what stands before "=" is a collector only when it cannot be the start of a path.
func TestExpandEqualsSign(t *testing.T) {
	dir := tree(t, map[string]string{"day=1/updates": "x"})
	got, err := Expand([]string{filepath.Join(dir, "day=1", "updates")})
	if err != nil || !slices.Equal(names(got), []string{"day=1 updates"}) {
		t.Errorf("%q, %v", names(got), err)
	}
	t.Chdir(dir)
	got, err = Expand([]string{"./day=1/updates"})
	if err != nil || !slices.Equal(names(got), []string{"day=1 updates"}) {
		t.Errorf("%q, %v", names(got), err)
	}
	if got, err := Expand([]string{"day=1/updates"}); err == nil {
		t.Errorf("collector day of file 1/updates: %q", names(got))
	}
	got, err = Expand([]string{"day=day=1/updates"})
	if err != nil || !slices.Equal(names(got), []string{"day updates"}) {
		t.Errorf("%q, %v", names(got), err)
	}
}

// TestExpandRelative: the collector of a bare file name is the folder one stands in.
func TestExpandRelative(t *testing.T) {
	t.Chdir(filepath.Join(tree(t, map[string]string{"rrc07/updates": "x"}), "rrc07"))
	got, err := Expand([]string{"updates"})
	if err != nil || !slices.Equal(names(got), []string{"rrc07 updates"}) {
		t.Errorf("%q, %v", names(got), err)
	}
	got, err = Expand([]string{"."})
	if err != nil || !slices.Equal(names(got), []string{"rrc07 updates"}) {
		t.Errorf("%q, %v", names(got), err)
	}
}

func TestExpandErrors(t *testing.T) {
	dir := tree(t, map[string]string{"empty/.dot": "x"})
	for arg, want := range map[string]string{
		filepath.Join(dir, "absent"):          "reading " + filepath.Join(dir, "absent") + ": ",
		"rrc00=" + filepath.Join(dir, "none"): "reading rrc00=" + filepath.Join(dir, "none") + ": ",
		filepath.Join(dir, "empty"):           "the folder holds no files",
	} {
		got, err := Expand([]string{arg})
		if err == nil || !strings.Contains(err.Error(), want) || got != nil {
			t.Errorf("Expand(%s) = %v, %v; want an error with %q", arg, got, err, want)
		}
	}
	locked := filepath.Join(dir, "locked", "in")
	if err := os.MkdirAll(locked, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(locked, 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(locked, 0o755)
	if _, err := os.ReadDir(locked); err == nil {
		t.Skip("case of a folder that may not be read: this user may read everything")
	}
	if _, err := Expand([]string{filepath.Join(dir, "locked")}); err == nil {
		t.Error("a folder that may not be read was skipped without a word")
	}
}

func TestDigest(t *testing.T) {
	dir := tree(t, map[string]string{"c/f": "abc"})
	files, err := Expand([]string{filepath.Join(dir, "c", "f")})
	if err != nil {
		t.Fatal(err)
	}
	got, err := files[0].Digest()
	if want := "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; err != nil || got != want { // FIPS 180-2, appendix B.1
		t.Errorf("%s, %v", got, err)
	}
	if err := os.Remove(files[0].Path); err != nil {
		t.Fatal(err)
	}
	if _, err := files[0].Digest(); err == nil || !strings.HasPrefix(err.Error(), "digest of f: ") {
		t.Errorf("of a file that went: %v", err)
	}
}

// TestSplit: a file with a dot and a = in its name stays a file.
func TestSplit(t *testing.T) {
	t.Chdir(tree(t, map[string]string{"updates.1=2": "x"}))
	for arg, want := range map[string][2]string{
		"updates.1=2": {"", "updates.1=2"}, "updates.1=3": {"updates.1", "3"}, "./a=b": {"", "./a=b"}, ".a=b": {"", ".a=b"}, "rrc00=b=c": {"rrc00", "b=c"}, "b": {"", "b"},
	} {
		if name, path := Split(arg); [2]string{name, path} != want {
			t.Errorf("%s: %q %q", arg, name, path)
		}
	}
}
