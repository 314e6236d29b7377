package store

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/bcrypt"
)

// passwordCost is bcrypt's; the Python node uses the same.
const passwordCost = 12

// maxPassword is how much of password and salt bcrypt reads, in bytes.
const maxPassword = 72

// HashPassword returns what User.Password is to hold: bcrypt of password and
// salt (auth.salt), one after the other, as the Python node does.
func HashPassword(password, salt string) (string, error) {
	if password == "" {
		return "", errors.New("the password is empty")
	}
	if IsToken(password) { // where it stands in a token's place it would be looked for among those
		return "", fmt.Errorf("the password begins with %s, as tokens do", tokenMark)
	}
	if len(password)+len(salt) > maxPassword {
		return "", fmt.Errorf("the password is too long: with the salt at most %d bytes", maxPassword)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password+salt), passwordCost)
	if err != nil {
		return "", fmt.Errorf("hashing the password: %w", err)
	}
	return string(hash), nil
}

// CheckPassword says whether the password is the user's. It takes a quarter of
// a second of one core, on purpose. A user without a password has none.
func (u User) CheckPassword(password, salt string) bool {
	return u.Password != "" && bcrypt.CompareHashAndPassword([]byte(u.Password), []byte(password+salt)) == nil
}
