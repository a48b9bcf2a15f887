// From a request to its answer: a text where that is known, else what it will be made of.
#include "loop/answer.h"

#include <utility>

#include "session/answers.h"
#include "storage/tree/description.h"
#include "storage/tree/stat_cache.h"

namespace objmapper::loop {
namespace {

using copypath::CachedObject;
using copypath::ObjectRef;
using protocol::Mode;
using protocol::Status;

void Refuse(Status status, absl::string_view message, protocol::Dialect dialect, Answer* answer) {
  answer->kind = Answer::Kind::kText;
  answer->status = status;
  session::AppendError(dialect, answer->request, status, message, &answer->text);
}

void Refuse(const absl::Status& error, protocol::Dialect dialect, Answer* answer) {
  answer->kind = Answer::Kind::kText;
  answer->status = session::WireStatus(error);
  session::AppendError(dialect, answer->request, error, &answer->text);
}

}  // namespace

Answer AnswerTo(const protocol::Request& request, protocol::Dialect dialect,
                const AnswerSources& sources, int64_t now_ns) {
  Answer answer;
  answer.request = request;
  answer.request.uri = {};
  if (request.refusal != Status::kOk) {
    Refuse(request.refusal, request.reason, dialect, &answer);
    return answer;
  }
  if (request.mode == Mode::kFdPass) {
    answer.kind = Answer::Kind::kFd;
    answer.text.assign(request.uri.data(), request.uri.size());
    return answer;
  }
  if (request.mode == Mode::kStat) {
    const absl::StatusOr<storage::Description> found = storage::FindDescription(
        *sources.tree, sources.index, request.uri, now_ns, storage::Wait::kCachedOnly);
    if (found.ok()) {
      answer.status = session::JudgeVersion(request, found->etag);
      session::ObjectFacts facts = session::FactsOf(*found, request.uri);
      facts.cached = session::CachedIn(*sources.tree, request, request.uri);
      session::AppendStat(dialect, request, facts, &answer.text);
      return answer;
    }
    if (!absl::IsUnavailable(found.status())) {
      Refuse(found.status(), dialect, &answer);
      return answer;
    }
    // The disk has to be asked. Opening the object asks it, and answers as well.
  }
  absl::StatusOr<ObjectRef> object =
      sources.objects->Lookup(request.uri, now_ns, copypath::WantedBy(request));
  if (!object.ok()) {
    Refuse(object.status(), dialect, &answer);
    return answer;
  }
  answer.kind = request.mode == Mode::kStat ? Answer::Kind::kStat : Answer::Kind::kObject;
  answer.object = *std::move(object);
  return answer;
}

Answer StatAnswer(const Answer& answer, protocol::Dialect dialect, const storage::Tree& tree) {
  Answer text;
  text.request = answer.request;
  const CachedObject& object = *answer.object.get();
  // Whatever came of the opening, the kernel's caches know the answer now.
  absl::StatusOr<storage::Description> found =
      tree.Describe(object.uri(), storage::Wait::kCachedOnly);
  if (absl::IsUnavailable(found.status())) {
    // Some walks can never be done from the caches alone (RESOLVE_CACHED gives up at symbolic links
    // with ".."): then it is the opening that knows.
    if (object.filling() != nullptr) {
      found = object.filling()->description();
    } else if (object.state() == CachedObject::State::kReady) {
      // What is in memory has been found without it.
      found = storage::Describe(object.fd(), object.info(), object.tier());
    } else {
      found = object.error();
    }
  }
  if (!found.ok()) {
    Refuse(found.status(), dialect, &text);
  } else {
    text.status = session::JudgeVersion(answer.request, found->etag);
    session::ObjectFacts facts = session::FactsOf(*found, object.uri());
    if (object.filling() == nullptr)
      facts.cached = session::CachedIn(tree, answer.request, object.uri());
    session::AppendStat(dialect, answer.request, facts, &text.text);
  }
  return text;
}

}  // namespace objmapper::loop
