package main

import (
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// draw makes a picture of each suite that there is a result of.
func draw(newest map[string]*report, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot draw: %w", err)
	}
	for _, one := range []struct {
		suite, file string
		make        func(*report) (*plot.Plot, error)
	}{
		{"coldstart", "coldstart.svg", coldPlot}, {"storm", "storm.svg", stormPlot}, {"density", "density.svg", densityPlot},
		{"edge", "edge.svg", edgePlot}, {"isolation", "isolation.svg", isolationPlot},
	} {
		r := newest[one.suite]
		if r == nil {
			continue
		}
		p, err := one.make(r)
		if err == nil && p != nil {
			p.Title.Text += fmt.Sprintf("\n%s, %d cores, commit %s", r.Machine.CPU, r.Machine.Cores, r.Machine.Commit)
			err = p.Save(9*vg.Inch, 5*vg.Inch, filepath.Join(dir, one.file))
		}
		if err != nil {
			return fmt.Errorf("cannot draw %s: %w", one.suite, err)
		}
	}
	return nil
}

// curve is a line of a picture.
type curve struct {
	name string
	plotter.XYs
}

// lines draws curves, each in a colour of its own; no picture without any.
func lines(p *plot.Plot, curves []curve, points bool) (*plot.Plot, error) {
	curves = slices.DeleteFunc(curves, func(c curve) bool { return len(c.XYs) == 0 })
	if len(curves) == 0 {
		return nil, nil
	}
	for i, c := range curves {
		line, dots, err := plotter.NewLinePoints(c.XYs)
		if err != nil {
			return nil, err
		}
		line.Color, dots.Color = plotutil.Color(i), plotutil.Color(i)
		line.Dashes = plotutil.Dashes(i / 7)
		p.Add(line)
		if points {
			p.Add(dots)
		}
		p.Legend.Add(c.name, line)
	}
	p.Add(plotter.NewGrid())
	return p, nil
}

// logarithmic scales an axis for values above 0.
func logarithmic(a *plot.Axis) { a.Scale, a.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1} }

// coldPlot shows the distribution of each cold start: which share was ready by when.
func coldPlot(r *report) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = "Cold start to the first byte", "ms", "share of the starts"
	logarithmic(&p.X)
	var curves []curve
	for _, one := range r.Results {
		name, ok := strings.CutPrefix(one.Name, "cold start, ")
		if ok && (strings.HasSuffix(name, ", fd") || strings.HasPrefix(name, "uWSGI, back")) && (one.Subject != "sandbox") {
			curves = append(curves, curve{name + ", " + one.Subject, cumulative(one.Samples)})
		}
	}
	p.Legend.TextStyle.Font.Size = 8 // many stand at the foot, where no curve is
	p.Y.Min, p.Y.Max = 0, 1
	return lines(p, curves, false)
}

// cumulative gives, for each sample, the share of samples up to it.
func cumulative(samples []float64) (points plotter.XYs) {
	for i, v := range slices.Sorted(slices.Values(samples)) {
		if v > 0 {
			points = append(points, plotter.XY{X: v, Y: float64(i+1) / float64(len(samples))})
		}
	}
	return points
}

var atOnceCount = regexp.MustCompile(`^(.*), (\d+) at once$`)

// stormPlot shows how long many who wake at once have to wait.
func stormPlot(r *report) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = "Tenants woken at once", "tenants", "ms"
	logarithmic(&p.X)
	logarithmic(&p.Y)
	p.Legend.Top, p.Legend.Left = true, true
	return lines(p, byCount(r, atOnceCount, []string{"woken", "last one ready", "a neighbour's visit p99"}), true)
}

var asleepCount = regexp.MustCompile(`^(.*), (\d+) asleep$`)

// densityPlot shows the daemon's memory against the number of tenants.
func densityPlot(r *report) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = "Memory of the daemon, all tenants asleep", "tenants", "MB"
	p.Legend.Top, p.Legend.Left = true, true
	p, err := lines(p, byCount(r, asleepCount, []string{"RSS", "PSS", "anonymous memory"}), true)
	if p != nil {
		p.Y.Min, p.Y.Max = 0, 1.2*p.Y.Max // room for the legend
	}
	return p, err
}

// byCount makes a curve of each figure that was measured at several counts.
func byCount(r *report, pattern *regexp.Regexp, figures []string) (curves []curve) {
	at := map[string]int{}
	for _, one := range r.Results {
		found := pattern.FindStringSubmatch(one.Name)
		if found == nil || !slices.Contains(figures, found[1]) || math.IsNaN(float64(one.Value)) || one.Value <= 0 {
			continue
		}
		name := found[1]
		if one.Subject != "" {
			name += ", " + one.Subject
		}
		if _, ok := at[name]; !ok {
			at[name] = len(curves)
			curves = append(curves, curve{name: name})
		}
		n, _ := strconv.ParseFloat(found[2], 64) // the pattern has digits only
		curves[at[name]].XYs = append(curves[at[name]].XYs, plotter.XY{X: n, Y: float64(one.Value)})
	}
	return curves
}

// edgePlot shows requests per CPU-second, by proxy and size, against nginx.
func edgePlot(r *report) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.Y.Label.Text = "Requests per CPU-second, nginx = 1", "times nginx"
	return bars(p, r, nginx, func(one result) (string, bool) {
		return strings.CutPrefix(one.Name, "requests per CPU-second, ")
	})
}

// isolationPlot shows what starting the smallest app enclosed takes.
func isolationPlot(r *report) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.Y.Label.Text = "The smallest app, enclosed, to its first byte", "ms"
	return bars(p, r, "", func(one result) (string, bool) {
		return "median", one.Name == "start of the smallest app, enclosed"
	})
}

// bars draws a group of bars for each subject, a colour for each figure; what is
// no figure of the picture is left out. With a base, its value is 1.
func bars(p *plot.Plot, r *report, base string, figure func(result) (string, bool)) (*plot.Plot, error) {
	var subjects, figures []string
	values := map[[2]string]float64{}
	for _, one := range r.Results {
		name, ok := figure(one)
		if !ok || one.Subject == "" || math.IsNaN(float64(one.Value)) || one.Value <= 0 {
			continue
		}
		if !slices.Contains(subjects, one.Subject) {
			subjects = append(subjects, one.Subject)
		}
		if !slices.Contains(figures, name) {
			figures = append(figures, name)
		}
		values[[2]string{name, one.Subject}] = float64(one.Value)
	}
	if len(values) == 0 {
		return nil, nil
	}
	width := vg.Points(60 / float64(len(figures)))
	for i, name := range figures {
		group := make(plotter.Values, len(subjects))
		for j, subject := range subjects {
			group[j] = values[[2]string{name, subject}]
			if whole := values[[2]string{name, base}]; whole > 0 {
				group[j] /= whole
			}
		}
		chart, err := plotter.NewBarChart(group, width)
		if err != nil {
			return nil, err
		}
		chart.Color, chart.LineStyle.Width = plotutil.Color(i), 0
		chart.Offset = width * vg.Length(float64(i)-float64(len(figures)-1)/2)
		p.Add(chart)
		if len(figures) > 1 {
			p.Legend.Add(name, chart)
		}
	}
	p.NominalX(subjects...)
	p.X.Min, p.X.Max = -0.5, float64(len(subjects))-0.5
	p.Y.Max *= 1.15 // room for the legend
	p.Legend.Top = true
	p.BackgroundColor = color.White
	return p, nil
}
