package daemon

// ownerOf is 0: displays have no sockets here.
func ownerOf(string) int { return 0 }
