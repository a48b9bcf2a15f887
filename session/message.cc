// Turns answers with descriptors into errors when the kernel has no room for more descriptors in
// flight.
#include "session/message.h"

#include "session/answers.h"

namespace objmapper::session {

void Message::RefuseFds(protocol::Dialect dialect, absl::string_view reason) {
  std::string text;
  for (size_t i = 0; i < answers_.size(); ++i) {
    Answer& answer = answers_[i];
    const size_t end = i + 1 < answers_.size() ? answers_[i + 1].begin : text_.size();
    const size_t begin = text.size();
    if (answer.has_fd) {
      AppendError(dialect, answer.id, protocol::Status::kUnavailable, reason, &text);
      receipts_[i].status = protocol::Status::kUnavailable;
      receipts_[i].bytes = 0;
    } else {
      text.append(text_, answer.begin, end - answer.begin);
    }
    answer = {begin, answer.id, /*has_fd=*/false};
  }
  text_ = std::move(text);
  CloseFds();
}

}  // namespace objmapper::session
