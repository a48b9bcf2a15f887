// /connz: the open connections as a table.
#pragma once

#include <string>

#include "session/session.h"

namespace objmapper::server {

// A line for each connection, `lines_max` at most, and above them how many there are in all. Any
// thread; holds connections up from coming and going while it looks.
std::string ConnectionsText(const session::ConnectionList& list, size_t lines_max);

// How many sent something in the last second.
uint64_t HotConnections(const session::ConnectionList& list);

}  // namespace objmapper::server
