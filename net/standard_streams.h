// Descriptors 0, 1 and 2 are standard input, output and error, whoever started us.
//
//   int main() { net::HoldStandardStreams(); ... }
#pragma once

namespace objmapper::net {

// A shell's "<&-" or "2>&-" starts a program with one of the three closed; the next socket would
// get its number, and log lines would go to a client. Opens /dev/null there, the wrong way round: 0
// can only be written to, 1 and 2 can only be read, so that using one fails with EBADF, as if it
// were closed, and no data is lost in silence. First thing in main(), before anything opens a
// descriptor. Ends the process (status 127) if not even "/" can be opened. Returns which were
// closed: 1 << fd for each.
int HoldStandardStreams();

// Whether somebody gets what is written to descriptor 1.
bool StandardOutputIsOpen();

}  // namespace objmapper::net
