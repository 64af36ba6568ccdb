package access

import "golang.org/x/sys/unix"

// onRootMount reports whether path is on the mount of the root folder. Kernels
// before 5.8 do not tell.
func onRootMount(path string) bool {
	id, known := mountOf(path)
	root, rootKnown := mountOf("/")
	return known && rootKnown && id == root
}

func mountOf(path string) (id uint64, known bool) {
	var info unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_MNT_ID, &info)
	return info.Mnt_id, err == nil && info.Mask&unix.STATX_MNT_ID != 0
}
