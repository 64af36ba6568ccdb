package access

import "golang.org/x/sys/unix"

// mountOf tells the mount of path from others. Kernels before 5.8 know devices
// alone.
func mountOf(path string) (id uint64, known bool) {
	var info unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_MNT_ID, &info)
	if err != nil || info.Mask&unix.STATX_MNT_ID == 0 {
		return deviceOf(path)
	}
	return info.Mnt_id, true
}
