// An object that a client stores or deletes, at its origin first and then here (write=through).
//
// The order is what keeps the cache true. What is here of the object goes before its origin is
// asked to change it: should the server die on the way, or the origin's answer be lost, nothing is
// left that an `immutable` line would hand out for ever. When the origin has said that it has the
// new object, the file that was sent gets its mark and its name. Nobody fetches the object
// meanwhile: who wants it waits for the change, as for a flight (flights.h).
//
// A condition is judged of what the origin says that it has, and the origin is asked to make the
// change only to that very version (If-Match, If-None-Match), so that nothing comes in between;
// where it holds no conditions (radosgw's DELETE, many makers' uploads in parts), something may.
//
// Done on a strand, as a flight is.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "net/unique_fd.h"
#include "origin/cache/mark.h"
#include "origin/cache/partial_object.h"
#include "origin/fetch/fetcher.h"
#include "origin/flight/means.h"
#include "origin/flight/multipart.h"
#include "origin/flight/requests.h"
#include "origin/flight/source.h"
#include "origin/flight/strand.h"
#include "storage/tree/remote.h"

namespace objmapper::origin {

class Change : public std::enable_shared_from_this<Change> {
 public:
  // From so many bytes on S3 gets an object in parts.
  static constexpr uint64_t kInPartsMin = 16 << 20;

  struct Ending {
    absl::Status status;  // as storage::Remote::Change()'s
    bool here = false;    // the new object is here, as its origin's version
  };
  // ended: called once, on the strand.
  Change(Means means, std::shared_ptr<const Source> source, Location location, std::string uri,
         storage::Remote::Wish wish, std::function<void(const Ending&)> ended);

  bool deletes() const { return wish_.file < 0; }

  // ---- Any thread ----
  void Begin();
  // It ends soon, with `why` unless it has ended otherwise.
  void Cancel(absl::Status why);

 private:
  // All on the strand.
  void Look();
  void AskVersion(bool whole);
  void OnVersion(const Answer& answer, bool whole);
  void Judge(const Mark* there);
  void Go();
  absl::Status DropHere();
  void SendWhole();
  void OnStored(SendResult result);
  void Publish(const std::string& etag, std::optional<uint32_t> crc32c);
  void SendDelete();
  void OnDeleted(const Answer& answer);
  void End(absl::Status status);

  const Means means_;
  const std::shared_ptr<const Source> source_;
  const Location location_;
  const std::string uri_;
  const std::string url_;  // for marks and people
  const storage::Remote::Wish wish_;
  const std::function<void(const Ending&)> ended_;
  const std::shared_ptr<Strand> strand_;

  // The strand's.
  Requests requests_;
  std::shared_ptr<Multipart> multipart_;
  SentObject object_;
  bool dropped_ = false;  // something was here of the origin's
  bool pinned_ = false;   // and was not to be evicted
  bool there_ = false;    // an object is at the origin, as it said before the change
  std::optional<absl::Status> cancelled_;
  Ending ending_;
  bool over_ = false;
};

}  // namespace objmapper::origin
