package app

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"github.com/alecthomas/kong"
)

// checkOwner refuses to run a command as a user who does not own the
// repository's root: what it writes there, the owner could not change any more.
// Commands tagged as unsafe are let through, as is every one with --unsafe. A
// configuration that cannot be read is left for the command to complain of.
func checkOwner(env *Env, globals *Globals, command *kong.Node) error {
	if command == nil || command.Tag.Has("unsafe") || globals.Unsafe {
		return nil
	}
	file, err := globals.configuration(env)
	if err != nil {
		return nil
	}
	root, err := file.Root()
	if err != nil {
		return nil
	}
	info, err := os.Stat(root)
	if err != nil {
		return nil
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(stat.Uid) == os.Getuid() {
		return nil
	}
	owner := strconv.Itoa(int(stat.Uid))
	name := "#" + owner // as sudo takes a number
	if account, err := user.LookupId(owner); err == nil {
		owner, name = account.Username, account.Username
	}
	return Hinted(fmt.Errorf("%s belongs to user %s", root, owner),
		fmt.Sprintf("run it as that user (sudo -u '%s' -- ahriman %s …), or with --unsafe", name, command.Name))
}
