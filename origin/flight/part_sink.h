// One answer of an origin's on its way to the strand of its flight.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "origin/fetch/request.h"
#include "origin/flight/strand.h"
#include "origin/flight/sums.h"

namespace objmapper::origin {

// What the head of an answer says of the object.
struct Facts {
  uint64_t size = 0;   // of the first answer alone
  uint64_t begin = 0;  // of the bytes in this answer
  uint64_t bytes = 0;
  std::string etag;
  std::optional<int64_t> last_modified_s;
  std::optional<uint32_t> crc32c;  // of the whole
  SaidSums sums;                   // the same; md5: only if the origin is S3
};

// What happens to a part, each on the strand. None is called once on_done has been.
struct PartEvents {
  std::function<void(const Facts&)> on_facts;
  // Bytes of the object, from `offset` on.
  std::function<void(uint64_t offset, const std::string& bytes)> on_bytes;
  std::function<void(const fetch::Outcome&)> on_done;
};

// The origin thread's; events go to the strand.
class PartSink : public fetch::Sink {
 public:
  // first: without the object's size its answer is of no use.
  PartSink(std::shared_ptr<Strand> strand, std::function<absl::Time()> now, bool first,
           PartEvents events);

  absl::Status OnHead(const fetch::Head& head) override;
  absl::Status OnBytes(absl::Span<const char> bytes) override;
  void OnDone(const fetch::Outcome& outcome) override;

 private:
  void PassOn();

  const std::shared_ptr<Strand> strand_;
  const std::function<absl::Time()> now_;
  const bool first_;
  std::shared_ptr<const PartEvents> events_;
  uint64_t at_ = 0;
  size_t piece_bytes_;  // what is passed on at once: little at first, for whoever waits for it
  std::string piece_;
};

}  // namespace objmapper::origin
