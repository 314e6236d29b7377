package main

// What the manual pages say beside the grammar.

const manIntroduction = `.Nm
keeps a pacman repository and builds its packages, on one machine or many.
Each command does one step: it reads names or paths from its arguments,
or one a line from standard input where an argument is
.Sq -
(or NUL-separated, as find -print0 has them),
writes its result to standard output, and everything meant for a person
to standard error.
Where a command takes
.Fl -json ,
it prints one JSON object a line, which other commands read, failures included.
`

const manEnvironment = `.It Ev NO_COLOR
When set, nothing is coloured.
Output that does not go to a terminal never is, nor with
.Ev TERM
set to
.Dq dumb .
`

const manFiles = `.Sh FILES
.Bl -tag -width Ds
.It Pa /etc/ahriman.ini
The configuration, with
.Pa /etc/ahriman.ini.d/*.ini
read after it.
.It Pa /var/lib/ahriman
Everything that is kept, unless
.Ic repository.root
names another directory.
.It Pa /var/lib/ahriman/.build-NAME-ARCHITECTURE.lock
Held while packages of a repository are built, unless
.Fl -lock
names another file.
.El
`

const manExit = `.Sh EXIT STATUS
.Bl -tag -width Ds
.It 0
Done.
.It 1
Failed.
.It 2
The command line is wrong.
.It 3
Partly done: some packages failed, each named on standard error.
.It 4
There was nothing to do, and
.Fl -exit-code
was given.
.It 128+n
Ended by signal n: 130 when interrupted.
.El
`

const manExamples = `A repository on this machine, a package of the AUR in it, and both on a page:
.Bd -literal -offset indent
sudo ahriman -r aur service-setup --packager 'Me <me@example.com>' --build-as-user "$USER" --web-port 8080
ahriman package-add --now yay
ahriman package-status
ahriman web
.Ed
.Pp
With another configuration, for one of its repositories:
.Pp
.Dl ahriman -c ./ahriman.ini -r extra -a x86_64 package-status
`
