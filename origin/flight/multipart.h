// An object on its way to S3 in parts: begun, sent, completed; or, whatever goes wrong, aborted, so
// that nothing is left there that nobody sees and everybody pays for.
//
//   auto upload = std::make_shared<Multipart>(&requests, source, location, object, [...]);
//   upload->Begin();
//
// Some parts are on their way at once (Origin::parallel). A part is as long as the origin's line
// says, but at least S3's least, and so long that they are at most S3's most.
//
// Source: Amazon S3 User Guide, "Multipart upload limits".
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "net/unique_fd.h"
#include "origin/flight/requests.h"
#include "origin/flight/source.h"

namespace objmapper::origin {

// What is sent.
struct SentObject {
  std::shared_ptr<const net::UniqueFd> file;  // whole, and not changed by anybody
  uint64_t size = 0;
  std::string if_match, if_none_match;  // as Source::Sent's
};

// What became of it.
struct SendResult {
  // As storage::Remote::Change()'s.
  absl::Status status;
  // Of the new object there, with its quotes; empty: the origin did not say.
  std::string etag;
  std::string computed_etag;  // then, of one that S3 made of parts: what S3 would say; or empty
  std::optional<uint32_t>
      crc32c;  // of the object, where its bytes had to be read for the signature
};

// What a failed request that changes something says to whoever wanted it.
absl::Status ChangeTrouble(const fetch::Outcome& outcome);

class Multipart : public std::enable_shared_from_this<Multipart> {
 public:
  static constexpr uint64_t kPartBytesMin = 5 << 20;
  static constexpr uint64_t kPartsMax = 10'000;
  static uint64_t PartBytes(uint64_t size, uint64_t wanted);

  // requests: its owner's, which lives until `done` has been called, once, on the strand.
  Multipart(Requests* requests, std::shared_ptr<const Source> source, Location location,
            SentObject object, std::function<void(SendResult)> done);

  // All on the strand of `requests`.
  void Begin();
  // It ends soon, with `why` unless it has ended otherwise.
  void Cancel(absl::Status why);

 private:
  void OnBegun(const Answer& answer);
  void SendParts();
  void OnPart(size_t index, const Answer& answer);
  void Complete();
  void OnCompleted(const Answer& answer);
  void Fail(absl::Status why);
  void Abort();
  void End();

  Requests* const requests_;
  const std::shared_ptr<const Source> source_;
  const Location location_;
  const SentObject object_;
  const uint64_t part_bytes_;
  const size_t parts_;
  std::function<void(SendResult)> done_;

  std::string id_;                  // of the upload
  size_t next_ = 0;                 // part to be sent
  std::vector<std::string> etags_;  // of the parts, without quotes; empty: not there yet
  size_t there_ = 0;                // of them
  SendResult result_;
};

}  // namespace objmapper::origin
