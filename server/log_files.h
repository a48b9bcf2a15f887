// Where the log goes, for whoever rotates it.
#pragma once

#include <string>

namespace objmapper::server {

// Closes glog's files: the next line opens a file of the same name anew
// (--timestamp_in_logfile_name=false), or one that is named by the time it was opened. Returns what
// has been done, a sentence for the log. Any thread, one at a time; may sleep for a second, since
// two files of one second would have one name.
std::string ReopenLogFiles();

}  // namespace objmapper::server
