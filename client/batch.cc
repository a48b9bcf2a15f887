// One run over many URIs: fill the window of outstanding requests, send, take the answers that have
// arrived, again. Each URI gets exactly one result.
#include "client/batch.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/channel.h"
#include "client/error.h"
#include "client/exchange.h"
#include "protocol/capabilities.h"
#include "protocol/status.h"

namespace objmapper::client {

// One run over many URIs: fill the window, send, take what has come, again.
class Batch {
 public:
  // Takes what follows an OK answer off the channel and gives it to the caller's sink. Returns its
  // error, which the sink has got too.
  using OnOk = absl::FunctionRef<absl::Status(Channel&, size_t index, const Answer&)>;
  using OnError = absl::FunctionRef<void(size_t index, absl::Status)>;

  Batch(Client& client, protocol::Mode mode, absl::Span<const std::string> uris, OnOk on_ok,
        OnError on_error)
      : channel_(*client.channel_), mode_(mode), uris_(uris), on_ok_(on_ok), on_error_(on_error) {}

  void Run() {
    absl::Status end = channel_.broken();
    while (end.ok()) {
      end = FillWindow();
      if (end.ok() && outstanding_.empty()) return;  // all are answered
      if (end.ok()) end = channel_.outbox().FlushOrAwaitInput();
      if (end.ok()) end = TakeAnswers();
    }
    for (const Pending& pending : outstanding_) on_error_(pending.index, About(What(pending), end));
    for (; next_ < uris_.size(); ++next_) {
      on_error_(next_, About(absl::StrCat(WhatWasAsked(mode_, uris_[next_]), ": not asked"), end));
    }
  }

 private:
  struct Pending {
    uint32_t id;
    size_t index;
  };

  std::string What(const Pending& pending) const {
    return WhatWasAsked(mode_, uris_[pending.index]);
  }

  absl::Status FillWindow() {
    // After a lost descriptor: first take what is outstanding, then give up.
    if (!lost_.ok()) return outstanding_.empty() ? lost_ : absl::OkStatus();
    while (next_ < uris_.size() && outstanding_.size() < channel_.window()) {
      const protocol::RequestToSend request = RequestFor(mode_, uris_[next_], std::nullopt);
      if (absl::Status bad = channel_.Check(request); !bad.ok()) {
        on_error_(next_++, std::move(bad));
        continue;
      }
      const absl::StatusOr<uint32_t> id = channel_.Queue(request);
      if (!id.ok()) return id.status();
      outstanding_.push_back({*id, next_++});
    }
    return absl::OkStatus();
  }

  // Waits for one answer, and takes those that came with it.
  absl::Status TakeAnswers() {
    do {
      const absl::StatusOr<Answer> answer = channel_.Receive();
      if (!answer.ok()) return answer.status();
      const auto pending = Find(answer->id);
      if (pending == outstanding_.end()) {
        return channel_.BreakAsWrong("the server answered request ", answer->id,
                                     ", which was not expected");
      }
      const size_t index = pending->index;
      const std::string what = What(*pending);
      outstanding_.erase(pending);
      if (answer->status != protocol::Status::kOk) {
        on_error_(index, ErrorIn(channel_, *answer, what));
      } else if (absl::Status status = on_ok_(channel_, index, *answer);
                 status.code() == absl::StatusCode::kResourceExhausted) {
        lost_ = std::move(status);
      }
      if (!channel_.broken().ok()) return channel_.broken();
    } while (channel_.has_input() && !outstanding_.empty());
    return absl::OkStatus();
  }

  // Without OOO_REPLIES only the oldest request may be answered.
  std::deque<Pending>::iterator Find(uint32_t id) {
    const auto last = channel_.Has(protocol::kOutOfOrderReplies) || outstanding_.empty()
                          ? outstanding_.end()
                          : outstanding_.begin() + 1;
    const auto found = std::find_if(outstanding_.begin(), last,
                                    [id](const Pending& pending) { return pending.id == id; });
    return found == last ? outstanding_.end() : found;
  }

  Channel& channel_;
  const protocol::Mode mode_;
  const absl::Span<const std::string> uris_;
  const OnOk on_ok_;
  const OnError on_error_;

  size_t next_ = 0;                  // the first of uris_ not asked for
  std::deque<Pending> outstanding_;  // in the order they were asked
  absl::Status lost_;                // not OK once a descriptor was lost
};

namespace {

// Runs a batch; `take` is TakeObject() or TakeBytes(), `sink` gets what it returns.
template <typename Take, typename Sink>
void Run(Client& client, protocol::Mode mode, absl::Span<const std::string> uris, Take take,
         Sink sink) {
  const auto on_ok = [&](Channel& channel, size_t index, const Answer& answer) {
    auto result = take(channel, answer, std::nullopt, WhatWasAsked(mode, uris[index]));
    absl::Status status = result.status();
    sink(index, std::move(result));
    return status;
  };
  Batch(client, mode, uris, on_ok, sink).Run();
}

}  // namespace

void BatchGetFd(Client& client, absl::Span<const std::string> uris, FdSink sink) {
  Run(client, protocol::Mode::kFdPass, uris, TakeObject, sink);
}

void BatchGetBytes(Client& client, absl::Span<const std::string> uris, protocol::Mode mode,
                   BytesSink sink) {
  if (absl::Status status = Client::CheckBodyMode(mode); !status.ok()) {
    for (size_t i = 0; i < uris.size(); ++i) sink(i, status);
    return;
  }
  Run(client, mode, uris, TakeBytes, sink);
}

std::vector<absl::StatusOr<FdObject>> BatchGetFd(Client& client,
                                                 absl::Span<const std::string> uris) {
  std::vector<absl::StatusOr<FdObject>> results(uris.size());
  BatchGetFd(client, uris, [&results](size_t index, absl::StatusOr<FdObject> object) {
    results[index] = std::move(object);
  });
  return results;
}

std::vector<absl::StatusOr<std::string>> BatchGetBytes(Client& client,
                                                       absl::Span<const std::string> uris,
                                                       protocol::Mode mode) {
  std::vector<absl::StatusOr<std::string>> results(uris.size());
  BatchGetBytes(client, uris, mode, [&results](size_t index, absl::StatusOr<std::string> bytes) {
    results[index] = std::move(bytes);
  });
  return results;
}

}  // namespace objmapper::client
