package config

import (
	"regexp"
	"strings"
)

// secretWords are what the names of secret options hold, in sections of any
// name.
var secretWords = [...]string{"password", "passwd", "secret", "token", "salt", "api_key", "access_key"}

// Secret tells whether the values of an option must not be shown. The section
// does not count for names that can only be secret, so that a target of any
// name is covered.
func (f *File) Secret(section, key string) bool {
	general, _, _ := strings.Cut(section, ":")
	if option, ok := f.schema.find(general, key); ok && option.secret {
		return true
	}
	for _, word := range secretWords {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}

// Redact hides user and password in the URLs of a text:
// https://***@example.com/repository.git. Over HTTP a user alone may be a token.
func Redact(text string) string { return userinfo().ReplaceAllString(text, "$1$2***@") }

func userinfo() *regexp.Regexp {
	return regexp.MustCompile(`(https?://)[^\s/@"']+@|([a-z][a-z0-9+.-]*://)[^\s/@"']*:[^\s/@"']*@`)
}
