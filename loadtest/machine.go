package loadtest

import (
	"bufio"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// machine says where this runs.
func machine(load string) Machine {
	return Machine{
		OS: runtime.GOOS + "/" + runtime.GOARCH, CPU: processor(), Cores: runtime.NumCPU(),
		Go: runtime.Version(), Version: version(), Load: load,
	}
}

// version is this program's: the module's, or the commit that it was built of.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, one := range info.Settings {
		if one.Key == "vcs.revision" && len(one.Value) >= 12 {
			return one.Value[:12]
		}
	}
	return info.Main.Version
}

func processor() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	defer func() { _ = file.Close() }() // it was only read
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if key, value, found := strings.Cut(lines.Text(), ":"); found && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// loadAverage is how busy the machine was in the last minute, to judge the
// noise by.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil || len(text) == 0 {
		return "unknown"
	}
	return strings.Fields(string(text))[0]
}
