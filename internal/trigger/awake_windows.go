package trigger

import (
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

var queryUnbiasedInterruptTime = windows.NewLazySystemDLL("kernel32.dll").NewProc("QueryUnbiasedInterruptTime")

// awake is the time since the machine started, without sleep. Go's monotonic
// clock goes on during sleep on Windows.
func awake() time.Duration {
	var ticks uint64                                                           // of 100 ns
	_, _, _ = queryUnbiasedInterruptTime.Call(uintptr(unsafe.Pointer(&ticks))) // fails for a nil pointer alone
	return time.Duration(ticks) * 100
}
