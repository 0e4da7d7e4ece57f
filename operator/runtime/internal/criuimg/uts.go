// Package criuimg edits the one image of a dump that holds something of the pod that was dumped.
package criuimg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// An image of one message: two magic numbers, the message's length, and the message. criu/include/magic.h, images/utsns.proto.
const (
	magicCommon = 0x54564319
	magicUTS    = 0x54473203
	header      = 12
	nodename    = 1 // field of UtsnsEntry: the hostname
)

// bytesField is protobuf's wire type of strings; UtsnsEntry has no fields of another.
const bytesField = 2

// longestImage bounds what is read: two names of 64 bytes.
const longestImage = 4 << 10

// ErrNoImage is for a dump whose processes shared the node's names.
var ErrNoImage = errors.New("the dump has no UTS namespace")

// WithHostname makes a folder with the images of another, of the same file system, except that processes restored from it have
// a hostname of their own. CRIU sets it when it makes their namespace: they never see the one they were dumped with.
// The images are hard links: CRIU opens some of them from within the container, where a symlink would lead elsewhere.
func WithHostname(images, folder, hostname string) error {
	entries, err := os.ReadDir(images)
	if err != nil {
		return err
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	found := false
	for _, e := range entries {
		from, to := filepath.Join(images, e.Name()), filepath.Join(folder, e.Name())
		if !strings.HasPrefix(e.Name(), "utsns-") {
			if err := os.Link(from, to); err != nil {
				return err
			}
			continue
		}
		image, err := os.ReadFile(from)
		if err == nil {
			image, err = setHostname(image, hostname)
		}
		if err == nil {
			err = os.WriteFile(to, image, 0o600)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", e.Name(), err)
		}
		found = true
	}
	if !found {
		return ErrNoImage
	}
	return nil
}

// setHostname is the image of a UTS namespace with another hostname; what else it holds stays the bytes it was.
func setHostname(image []byte, hostname string) ([]byte, error) {
	if len(image) < header || len(image) > longestImage || binary.LittleEndian.Uint32(image) != magicCommon || binary.LittleEndian.Uint32(image[4:]) != magicUTS {
		return nil, errors.New("not an image of a UTS namespace")
	}
	message := image[header:]
	if int(binary.LittleEndian.Uint32(image[8:])) != len(message) {
		return nil, errors.New("cut short")
	}
	out := append([]byte{nodename<<3 | bytesField}, binary.AppendUvarint(nil, uint64(len(hostname)))...)
	out = append(out, hostname...)
	for len(message) > 0 {
		key, size, rest, err := field(message)
		if err != nil {
			return nil, err
		}
		if key>>3 != nodename {
			out = append(out, message[:len(message)-len(rest)+size]...)
		}
		message = rest[size:]
	}
	image = binary.LittleEndian.AppendUint32(append([]byte{}, image[:8]...), uint32(len(out)))
	return append(image, out...), nil
}

// field reads the key and the length of a field; rest begins with its value.
func field(message []byte) (key uint64, size int, rest []byte, err error) {
	key, n := binary.Uvarint(message)
	if n <= 0 || key&7 != bytesField {
		return 0, 0, nil, errors.New("a field that is no name")
	}
	length, m := binary.Uvarint(message[n:])
	if m <= 0 || length > uint64(len(message)-n-m) {
		return 0, 0, nil, errors.New("cut short")
	}
	return key, int(length), message[n+m:], nil
}
