// Answers that are gathered on the origin thread and read on a strand.
#include "origin/flight/requests.h"

#include <string>
#include <utility>

#include "origin/fetch/gathering_sink.h"
#include "origin/fetch/url.h"

namespace objmapper::origin {

class Requests::AnswerSink : public fetch::GatheringSink {
 public:
  AnswerSink(Requests* requests, uint64_t number, bool head_alone,
             std::function<void(const Answer&)> then)
      : requests_(requests),
        strand_(requests->strand_),
        number_(number),
        head_alone_(head_alone),
        then_(std::move(then)) {}

  absl::Status OnHead(const fetch::Head& head) override {
    answer_.head = head;
    return GatheringSink::OnHead(head);
  }
  absl::Status OnBytes(absl::Span<const char> bytes) override {
    if (head_alone_) return absl::CancelledError("the head is enough");
    return GatheringSink::OnBytes(bytes);
  }
  void OnDone(const fetch::Outcome& outcome) override {
    answer_.outcome = outcome;
    answer_.body = std::move(body_);
    strand_->Post([requests = requests_, number = number_, then = std::move(then_),
                   answer = std::move(answer_)] {
      requests->Ended(number);
      then(answer);
    });
  }

 private:
  Requests* const requests_;
  const std::shared_ptr<Strand> strand_;
  const uint64_t number_;
  const bool head_alone_;
  std::function<void(const Answer&)> then_;
  Answer answer_;
};

void Requests::Send(fetch::Request request, std::function<void(const Answer&)> then,
                    bool head_alone) {
  const uint64_t number = ++sent_;
  const auto sink = std::make_shared<AnswerSink>(this, number, head_alone, std::move(then));
  std::string what = fetch::Shown(request.url);
  const absl::StatusOr<uint64_t> id =
      fetcher_->Fetch(std::move(request), account_->Watching(sink, std::move(what)));
  running_[number] = id.value_or(0);
  if (id.ok()) return;
  fetch::Outcome outcome;
  outcome.cause = fetch::Cause::kOurs;
  outcome.reason = std::string(id.status().message());
  sink->OnDone(outcome);
}

void Requests::CancelAll() {
  for (const auto& [number, id] : running_)
    if (id != 0) fetcher_->Cancel(id);
}

}  // namespace objmapper::origin
