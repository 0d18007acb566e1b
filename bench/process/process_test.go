package process

import (
	"strings"
	"testing"
	"time"
)

func TestProcess(t *testing.T) {
	p, err := Start("sh", "-c", `i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo '{"n":7}'; read x; echo bye >&2; exit 3`)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	var said struct{ N int }
	if err := p.Read(&said); err != nil || said.N != 7 {
		t.Errorf("read %+v, %v", said, err)
	}
	if d, err := p.CPU(); d <= 0 || err != nil {
		t.Errorf("CPU time %v, %v", d, err)
	}
	if m, err := p.Memory(); m.Now <= 0 || m.Peak < m.Now || err != nil {
		t.Errorf("memory %+v, %v", m, err)
	}
	if err := p.Alive(); err != nil {
		t.Error(err)
	}
	if err := p.Say(); err != nil {
		t.Error(err)
	}
	<-p.done
	if err := p.Alive(); err == nil || !strings.Contains(err.Error(), "bye") || !strings.Contains(err.Error(), "status 3") {
		t.Errorf("the end of the process is told as %v", err)
	}
}

func TestStop(t *testing.T) {
	p, err := Start("sleep", "60")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	p.Stop()
	p.Stop()
	if took := time.Since(began); took > stopTimeout {
		t.Errorf("a stop took %v", took)
	}
}
