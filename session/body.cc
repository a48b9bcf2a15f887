// Counted bodies, and HTTP's in chunks.
#include "session/body.h"

#include "protocol/http/ask.h"
#include "session/http.h"

namespace objmapper::session {

BodyReader::BodyReader(const protocol::Request& request)
    : chunked_(request.http != nullptr && request.http->chunked),
      left_(chunked_ ? 0 : request.body_length) {}

BodyReader::Piece BodyReader::Next(absl::string_view input) {
  Piece piece;
  piece.broken = broken_;
  if (broken_ != nullptr) return piece;
  while (chunked_ && left_ == 0 && !chunks_ended_) {
    const protocol::http::ChunkReader::Result result = chunks_.Next(input.substr(piece.skipped));
    piece.skipped += result.consumed;
    switch (result.kind) {
      case protocol::http::ChunkReader::Kind::kNeedMore:
        return piece;
      case protocol::http::ChunkReader::Kind::kEnd:
        chunks_ended_ = true;
        return piece;
      case protocol::http::ChunkReader::Kind::kBroken:
        piece.broken = broken_ = result.reason;
        return piece;
      case protocol::http::ChunkReader::Kind::kData:
        left_ = result.data.size();
        piece.skipped -= result.data.size();
    }
  }
  piece.data = input.substr(piece.skipped, left_);
  return piece;
}

std::optional<uint64_t> LengthOf(const protocol::Request& request) {
  return BodyReader(request).left();
}

absl::string_view Invitation(const protocol::Request& request) {
  return request.http != nullptr && request.http->expects_continue ? "HTTP/1.1 100 Continue\r\n\r\n"
                                                                   : "";
}

void GiveUpBody(Session* session, const protocol::Request& request, const BodyReader& body) {
  if (session->http == nullptr) {
    session->parser.SkipBody(*body.left());
  } else {
    // Who has sent some of it does not wait, or no more.
    DropBody(session, body, !Invitation(request).empty() && session->unread.empty());
  }
}

void CutBody(Session* session, const BodyReader& body) {
  if (session->http == nullptr) {
    session->parser.SkipBody(body.left().value_or(0));
  } else {
    session->http->cut = true;
  }
}

}  // namespace objmapper::session
