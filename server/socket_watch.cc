// Compares socket files with the listeners, and listens again where a file is gone. Files that
// others have put there are left alone.
#include "server/socket_watch.h"

#include <glog/logging.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace objmapper::server {

using PathLeads = net::Listener::PathLeads;

namespace {

// To try, where something else is in the file's place, is to connect to whoever listens there.
constexpr int kRest = 15;

}  // namespace

SocketWatch::SocketWatch(router::Demultiplexer* demultiplexer, net::SocketFile file)
    : demultiplexer_(demultiplexer), file_(std::move(file)) {}

void SocketWatch::Look() {
  std::string trouble;
  for (const router::Listening& listening : demultiplexer_->listening()) {
    const PathLeads leads = listening.file.Look();
    if (leads == PathLeads::kHere) {
      known_.erase(listening.url);
      continue;
    }
    Known& known = known_[listening.url];
    if (known.rest > 0) {
      --known.rest;
      absl::StrAppend(&trouble, trouble.empty() ? "" : "; ", known.said);
      continue;
    }
    std::string now =
        absl::StrCat("clients can no longer connect to ", listening.url, ": its socket file ",
                     leads == PathLeads::kNowhere ? "is gone" : "has been replaced");
    if (!listening.file_is_ours) {
      absl::StrAppend(&now,
                      "; this server did not create it: restart the socket unit, or the program "
                      "that created it");
    } else {
      absl::StatusOr<net::Listener> renewed = net::Listener::Open(listening.address, file_);
      if (renewed.ok()) {
        LOG(WARNING) << "the socket file of " << listening.url << " was gone: listening again";
        demultiplexer_->Renew(*std::move(renewed));
        known_.erase(listening.url);
        continue;
      }
      absl::StrAppend(&now, ", and cannot be created again: ", renewed.status().message());
    }
    if (known.said != now) LOG(ERROR) << now;
    if (leads == PathLeads::kElsewhere) known.rest = kRest;
    absl::StrAppend(&trouble, trouble.empty() ? "" : "; ", now);
    known.said = std::move(now);
  }
  const net::MutexLock lock(&mutex_);
  trouble_ = std::move(trouble);
}

std::string SocketWatch::Trouble() const {
  const net::MutexLock lock(&mutex_);
  return trouble_;
}

}  // namespace objmapper::server
