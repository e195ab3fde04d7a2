package watch

import "unsafe"

// HistorySize is what the points of a full History take, in bytes.
const HistorySize = (HistorySeconds + HistoryMinutes) * unsafe.Sizeof(point{})
