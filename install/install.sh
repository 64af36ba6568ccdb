#!/bin/sh
# Installs tunneld from a folder of packages, without a network:
#
#	sudo sh install.sh --from ./dist
#
# It takes the package that fits this system, and checks it against SHA256SUMS.
# Run from that folder it needs no --from.
set -eu
umask 022 # what is installed is for everybody to read and run

fail() {
	echo "install.sh: $1" >&2
	[ -z "${2:-}" ] || echo "hint: $2" >&2
	exit 1
}

# system says which kind of package this system takes.
system() {
	case $(uname -s) in
	Linux) ;;
	Darwin) echo darwin && return ;;
	*) fail "there is no package for $(uname -s)" ;;
	esac
	# shellcheck disable=SC1091 # the system's
	like=$([ ! -r /etc/os-release ] || (. /etc/os-release && echo "$ID ${ID_LIKE:-}"))
	case " $like " in
	*" debian "* | *" ubuntu "*) echo deb ;;
	*" fedora "* | *" rhel "* | *suse*) echo rpm ;;
	*" arch "*) echo archlinux ;;
	*" alpine "*) echo apk ;;
	*) echo linux ;;
	esac
}

# suffix is how the name of a kind of package ends on this machine.
suffix() {
	case $(uname -m) in
	x86_64 | amd64) go=amd64 other=x86_64 ;;
	aarch64 | arm64) go=arm64 other=aarch64 ;;
	*) fail "there is no package for $(uname -m)" ;;
	esac
	case $1 in
	deb) echo "_$go.deb" ;;
	rpm) echo ".$other.rpm" ;;
	archlinux) echo "-$other.pkg.tar.zst" ;;
	apk) echo "_$other.apk" ;;
	*) echo "-$1-$go.tar.gz" ;;
	esac
}

# choose prints the one package of a folder whose name ends so.
choose() {
	set -- "$1"/tunneld*"$2"
	[ -f "$1" ] || fail "there is no $1" "name the folder of the packages: --from DIR"
	[ $# = 1 ] || fail "there are $# packages for this system: $*" "leave one, or take a folder of one version"
	echo "$1"
}

# check compares a package with what SHA256SUMS beside it says.
check() {
	sums=$(dirname "$1")/SHA256SUMS
	[ -f "$sums" ] || fail "there is no $sums"
	want=$(awk -v name="$(basename "$1")" '$2 == name { print $1 }' "$sums")
	if command -v sha256sum >/dev/null; then
		have=$(sha256sum <"$1")
	else
		have=$(shasum -a 256 <"$1")
	fi
	[ "${have%% *}" = "$want" ] || fail "$1 is not what SHA256SUMS says" "get it again"
}

# unpack puts the program, its manual and completions of a tar.gz under /usr/local.
unpack() {
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	trap 'exit 1' HUP INT TERM
	tar -xzf "$1" -C "$work" --strip-components=1 --no-same-owner
	mkdir -p /usr/local/bin /usr/local/share/man /usr/local/share/bash-completion/completions \
		/usr/local/share/zsh/site-functions /usr/local/share/fish/vendor_completions.d
	install -m 0755 "$work/tunneld" /usr/local/bin/.tunneld.new
	mv /usr/local/bin/.tunneld.new /usr/local/bin/tunneld # it may run
	cp -R "$work/man/." /usr/local/share/man/
	cp "$work/completions/tunneld.bash" /usr/local/share/bash-completion/completions/tunneld
	cp "$work/completions/_tunneld" /usr/local/share/zsh/site-functions/
	cp "$work/completions/tunneld.fish" /usr/local/share/fish/vendor_completions.d/
}

from=$(dirname "$0")
case ${1:-} in
'') ;;
--from)
	[ -n "${2:-}" ] || fail "--from wants a folder"
	from=$2
	;;
*) fail "usage: sh install.sh [--from DIR]" ;;
esac

kind=$(system)
ending=$(suffix "$kind")
package=$(choose "$from" "$ending")
check "$package"
[ "$(id -u)" = 0 ] || fail "only root can install $package" "sudo sh $0 --from $from"
case $package in
/*) ;;
*) package=./$package ;;
esac
echo "installing $package"
case $kind in
deb) dpkg --install "$package" ;;
rpm) rpm --upgrade --replacepkgs "$package" ;;
archlinux) pacman --upgrade --noconfirm "$package" ;;
apk) apk add --allow-untrusted --no-network "$package" ;;
*) unpack "$package" ;;
esac
case $kind in
darwin | linux) program=/usr/local/bin/tunneld ;; # where sudo may not look
*) program=/usr/bin/tunneld ;;
esac
$program version

shown=tunneld
[ "$(command -v tunneld || true)" = "$program" ] || shown=$program
first="init work ana@bastion.example.com --forward 5432:db.internal:5432"
key=/etc/tunneld/keys/work
printf '\nnext:\n'
case $kind in
darwin)
	echo "  $shown $first"
	echo "  $shown run"
	exit
	;;
deb | apk) ;; # they have made the service
*) echo "  sudo $shown service install" ;;
esac
cat <<NEXT
  sudo ssh-keygen -t ed25519 -N '' -f $key && sudo chown tunneld $key
  (the server's administrator adds $key.pub to the account's authorized_keys)
  sudo $shown $first --key $key
NEXT
case $kind in
apk) echo "  rc-update add tunneld && rc-service tunneld start" ;;
*) echo "  sudo $shown service start" ;;
esac
echo "  sudo $shown trust work"
