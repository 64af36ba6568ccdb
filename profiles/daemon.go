package profiles

// Daemon is what daemon.toml says, with every default filled in.
type Daemon struct {
	LogLevel  string   `toml:"log_level" default:"info" enum:"debug|info|warn|error"`
	LogFormat string   `toml:"log_format" default:"auto" enum:"auto|text|json"`
	Watch     bool     `toml:"watch" default:"true"`
	Metrics   Address  `toml:"metrics" format:"endpoint"`
	Socket    string   `toml:"socket" format:"file"`
	Defaults  Defaults `toml:"defaults"`
}

// Defaults is what every profile inherits. Only what is written in daemon.toml
// is set here; in a profile the rest has the defaults of the schema.
type Defaults struct {
	Server  Server  `toml:"server"`
	Link    Link    `toml:"link"`
	Auth    Auth    `toml:"auth"`
	HostKey HostKey `toml:"host_key"`
	X11     X11     `toml:"x11"`
	Shell   Shell   `toml:"shell"`
}
