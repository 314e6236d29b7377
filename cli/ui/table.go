package ui

import (
	"bytes"
	"fmt"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// Cell is a table's cell in a colour.
type Cell struct {
	Text   string
	Colour Colour
}

// Table is aligned columns below a heading. Nothing is written before Flush.
type Table struct {
	out     *Output
	columns []string
	right   map[int]bool
	rows    [][]Cell
}

// Table begins a table. A column whose name begins with "#" holds numbers: it
// is shown without the "#", aligned to the right.
func (o *Output) Table(columns ...string) *Table {
	t := &Table{out: o, right: map[int]bool{}}
	for i, name := range columns {
		if name[0] == '#' {
			t.right[i], name = true, name[1:]
		}
		t.columns = append(t.columns, name)
	}
	return t
}

// Row adds a row: each cell is a Cell, or any value as fmt.Sprint prints it.
// Missing cells are empty and those beyond the last column are dropped.
func (t *Table) Row(cells ...any) {
	row := make([]Cell, len(t.columns))
	for i, value := range cells[:min(len(cells), len(row))] {
		cell, ok := value.(Cell)
		if !ok {
			cell.Text = fmt.Sprint(value)
		}
		cell.Text = Printable(cell.Text)
		row[i] = cell
	}
	t.rows = append(t.rows, row)
}

// Flush writes the table; an empty one is not even a heading. On a terminal it
// is no wider than the screen: the widest columns are cut, with an ellipsis.
func (t *Table) Flush() error {
	if len(t.rows) == 0 {
		return nil
	}
	widths := t.widths()
	var text bytes.Buffer
	table := tablewriter.NewTable(&text,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders: tw.BorderNone,
			Symbols: tw.NewSymbols(tw.StyleNone),
			Settings: tw.Settings{
				Separators: tw.SeparatorsNone,
				Lines:      tw.LinesNone,
			},
		})),
		tablewriter.WithConfig(t.config()),
	)
	heading := make([]any, len(t.columns))
	for i, name := range t.columns {
		heading[i] = t.out.Paint(Bold, cut(name, widths[i]))
	}
	table.Header(heading...)
	for _, row := range t.rows {
		cells := make([]any, len(row))
		for i, cell := range row {
			cells[i] = t.out.Paint(cell.Colour, cut(cell.Text, widths[i]))
		}
		if err := table.Append(cells...); err != nil {
			return fmt.Errorf("writing a table: %w", err)
		}
	}
	if err := table.Render(); err != nil {
		return fmt.Errorf("writing a table: %w", err)
	}
	for line := range bytes.Lines(text.Bytes()) { // the last column is padded
		if _, err := fmt.Fprintf(t.out.w, "%s\n", bytes.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

const gap = 2 // spaces between columns

func (t *Table) config() tablewriter.Config {
	align := make([]tw.Align, len(t.columns))
	padding := make([]tw.Padding, len(t.columns))
	for i := range t.columns {
		align[i] = tw.AlignLeft
		if t.right[i] {
			align[i] = tw.AlignRight
		}
		padding[i] = tw.Padding{Left: "", Right: "  ", Overwrite: true}
	}
	padding[len(padding)-1] = tw.Padding{Overwrite: true}
	cells := tw.CellConfig{
		Formatting: tw.CellFormatting{AutoWrap: tw.WrapNone, AutoFormat: tw.Off},
		Alignment:  tw.CellAlignment{Global: tw.AlignLeft, PerColumn: align},
		Padding:    tw.CellPadding{Global: tw.Padding{Overwrite: true}, PerColumn: padding},
	}
	return tablewriter.Config{
		Header: cells, Row: cells,
		Behavior: tw.Behavior{TrimSpace: tw.Off},
	}
}

// widths are the columns' widths, 0 where there is no limit, after the widest
// were made narrower until the row fits.
func (t *Table) widths() []int {
	limits := make([]int, len(t.columns))
	if t.out.width == 0 {
		return limits
	}
	total := gap * (len(limits) - 1)
	for i, name := range t.columns {
		limits[i] = twwidth.Width(name)
		for _, row := range t.rows {
			limits[i] = max(limits[i], twwidth.Width(row[i].Text))
		}
		total += limits[i]
	}
	for ; total > t.out.width; total-- {
		widest := 0
		for i := range limits {
			if limits[i] > limits[widest] {
				widest = i
			}
		}
		if limits[widest] <= minimalColumn {
			break
		}
		limits[widest]--
	}
	return limits
}

const minimalColumn = 8

func cut(text string, width int) string {
	if width == 0 || twwidth.Width(text) <= width {
		return text
	}
	return twwidth.Truncate(text, width, "…")
}
