package profiles

// checkAccess has nothing to say: the folder's access list is the service's to set.
func checkAccess(string) error { return nil }
