// An HTTP/1.1 origin for tests that counts what it is asked and misbehaves on command.
//
//   BadOrigin origin;
//   origin.Put("models/a.bin", bytes);
//   origin.Misbehave("models/a.bin", 2, Fault::CutAt(1000));     // the second request of that key
//   origin.Misbehave("models/a.bin", 0, Fault::Error(503, "SlowDown"));   // all others
//   ... origin.url("models/a.bin") ...
//   EXPECT_EQ(origin.asked("models/a.bin").size(), 3u);
//
// It knows GET, HEAD, PUT, DELETE and POST (which answers with what it is sent), ranges, ETags,
// If-Match and If-None-Match, S3's uploads in parts, connections that are kept, and errors as S3
// has them. Keys are paths
// as they stand in the request line, without the first slash and the query. A thread for each
// connection, that blocks: simple, and for dozens of them, not for thousands.
//
// All functions are thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "net/mutex.h"
#include "net/unique_fd.h"
#include "tests/origin/fault.h"

namespace objmapper::origin::testing {

class BadOrigin {
 public:
  struct Asked {
    std::string method;
    std::string target;  // as in the request line
    HeaderList headers;  // names in lower case
    std::string body;
    int connection = 0;  // the first one is 1
    int status = 0;      // of the answer; 0: none was given
    uint64_t bytes = 0;  // of its body, offered to the kernel

    std::string Header(const std::string& name) const;  // "" when there is none
  };

  BadOrigin();  // 127.0.0.1, a port of the kernel's choice
  ~BadOrigin();

  // "http://127.0.0.1:PORT/KEY"
  std::string url(const std::string& key) const;
  int port() const { return port_; }
  // One on whose port nobody listens, as long as this lives.
  std::string refused_url(const std::string& key) const;

  // etag: with its quotes; empty: a new one for each call.
  void Put(const std::string& key, std::string bytes, std::string etag = "");
  // Its Last-Modified from now on, as it stands there; an If-Modified-Since that says just that is
  // answered by 304.
  void SetLastModified(const std::string& key, std::string date);
  void Delete(const std::string& key);
  std::optional<std::string> Get(const std::string& key) const;
  std::string EtagOf(const std::string& key) const;  // with its quotes; "": there is none
  // Uploads in parts that have been begun, and neither completed nor aborted.
  size_t uploads() const;

  // GETs of the key are answered with what this makes of the target, one at a time.
  void Answer(const std::string& key, std::function<std::string(const std::string& target)> body);

  // nth: of the requests of that key from now on, from 1; 0: all that no other fault is for.
  void Misbehave(const std::string& key, int nth, Fault fault);
  // A connection is closed after its first answer when the next request has come: as by an origin
  // that thinks it has been idle for too long.
  void CloseKeptConnections(bool close);

  std::vector<Asked> asked() const;
  std::vector<Asked> asked(const std::string& key) const;  // its requests alone
  uint64_t bytes_sent() const;                             // of all bodies

  // Requests that are being answered now, and the most there were at once.
  int at_once() const;
  int most_at_once() const;

 private:
  struct Object {
    std::string bytes, etag, last_modified;
  };
  struct Plan {
    int asked = 0;
    std::map<int, Fault> nth;
  };
  struct Reply;
  class Connection;

  void Accept();
  // The answer to the request at `index` in asked_, and the fault it is to have.
  Reply Decide(size_t index);
  Reply Decide(const Asked& request, const std::string& key, Fault fault)
      EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // S3's upload in parts. False: the request is no part of one.
  bool InParts(const Asked& request, const std::string& key, Reply* answer)
      EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Sent(size_t index, int status, uint64_t bytes);

  int port_ = 0, refusing_port_ = 0;
  const net::UniqueFd listener_, refusing_;
  mutable net::Mutex mutex_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  bool closes_kept_ GUARDED_BY(mutex_) = false;
  std::map<std::string, Object> objects_ GUARDED_BY(mutex_);
  std::map<std::string, std::function<std::string(const std::string&)>> made_ GUARDED_BY(mutex_);
  std::map<std::string, Plan> plans_ GUARDED_BY(mutex_);
  std::map<std::string, std::map<int, std::string>> uploads_ GUARDED_BY(mutex_);  // parts, by id
  std::vector<Asked> asked_ GUARDED_BY(mutex_);
  int versions_ GUARDED_BY(mutex_) = 0;
  int at_once_ GUARDED_BY(mutex_) = 0, most_at_once_ GUARDED_BY(mutex_) = 0;
  std::list<int> open_ GUARDED_BY(mutex_);  // connections' sockets
  std::list<std::thread> threads_;          // the accepting thread's, until it has ended
  std::thread accepting_;
};

}  // namespace objmapper::origin::testing
