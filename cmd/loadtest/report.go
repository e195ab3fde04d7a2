package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"captchagate/loadtest"
	"captchagate/loadtest/report"
)

func newCompare() *cobra.Command {
	var files report.Files
	cmd := &cobra.Command{
		Use:   "compare A.json [B.json ...]",
		Short: "Put runs into one report",
		Long: `compare reads what --json wrote and draws the runs side by side; a file may hold
several. Where they played different loads, ran on different machines or versions,
were stopped early, did not keep their rate or are one and the same, it warns of
that, here and on top of the page.`,
		Example: "  loadtest compare before.json after.json --html both.html",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("%w: compare needs the files that --json wrote", errUsage)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := eachOnce(args); err != nil {
				return err
			}
			if err := files.Writable(); err != nil {
				return fmt.Errorf("%w: %w", errUsage, err)
			}
			runs, err := readAll(args)
			if err != nil {
				return fmt.Errorf("%w: %w", errUsage, err)
			}
			if len(runs) < 2 {
				return fmt.Errorf("%w: compare needs two runs or more, and %s holds one", errUsage, args[0])
			}
			if err := files.Write(runs...); err != nil {
				return err
			}
			for _, warning := range report.Warnings(runs...) {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning:", warning)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "written: %s, %s\n", files.HTML, files.Markdown())
			return nil
		},
	}
	cmd.Flags().StringVar(&files.HTML, "html", "compare.html", "write the page to this `FILE`, and Markdown beside it")
	return cmd
}

// readAll reads the runs of all files, and names each by its file: without the
// folder where no other file is called so.
func readAll(paths []string) (runs []loadtest.Run, err error) {
	called := map[string]int{}
	for _, path := range paths {
		called[filepath.Base(path)]++
	}
	for _, path := range paths {
		some, err := loadtest.ReadJSON(path)
		if err != nil {
			return nil, err
		}
		name := path
		if called[filepath.Base(path)] == 1 {
			name = filepath.Base(path)
		}
		for i := range some {
			some[i].File = name
			if len(some) > 1 {
				some[i].File = fmt.Sprintf("%s, run %d", name, i+1)
			}
		}
		runs = append(runs, some...)
	}
	return runs, nil
}

// eachOnce refuses a file that is given twice, under whatever names: a run that
// is compared with itself shows nothing, and would look like two that agree.
func eachOnce(paths []string) error {
	infos := make([]os.FileInfo, len(paths))
	for i, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			continue // reading it says more
		}
		for j, other := range infos[:i] {
			if other != nil && os.SameFile(info, other) {
				return fmt.Errorf("%w: %s and %s are the same file; give the files of different runs", errUsage, paths[j], path)
			}
		}
		infos[i] = info
	}
	return nil
}
