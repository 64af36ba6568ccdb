// Package terminal puts the terminal into the modes that commands need, and
// back.
package terminal
