package ui

import (
	"bytes"
	"fmt"
	"html"
	"io"
)

// Bar is one bar of a chart.
type Bar struct {
	Label string
	Value float64 // its length, relative to the others
	Text  string  // the value as it is shown
}

// Measures of a chart, in pixels.
const (
	chartLabels = 260
	chartBars   = 560
	chartTexts  = 100
	chartLine   = 22
)

// Chart writes horizontal bars below a heading, as SVG.
func Chart(w io.Writer, heading string, bars []Bar) error {
	longest := 0.0
	for _, bar := range bars {
		longest = max(longest, bar.Value)
	}
	var b bytes.Buffer
	width, height := chartLabels+chartBars+chartTexts, chartLine*(len(bars)+2)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="13">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="10" y="%d" font-weight="bold">%s</text>`+"\n", chartLine-6, escape(heading))
	for i, bar := range bars {
		y, length := chartLine*(i+1)+8, 0.0
		if longest > 0 {
			length = max(1, chartBars*bar.Value/longest)
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, chartLabels-8, y+14, escape(bar.Label))
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="steelblue"/>`, chartLabels, y+2, length, chartLine-6)
		fmt.Fprintf(&b, `<text x="%.1f" y="%d">%s</text>`+"\n", chartLabels+length+6, y+14, escape(bar.Text))
	}
	fmt.Fprintln(&b, "</svg>")
	_, err := w.Write(b.Bytes())
	return err
}

// escape makes text harmless in XML, and short enough for its place.
func escape(text string) string { return html.EscapeString(cut(Printable(text), 40)) }
