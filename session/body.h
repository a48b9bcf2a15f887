// The body of a request that stores an object, as it comes: which of the bytes are the object's.
//
//   BodyReader body(request);
//   while (!body.ended()) {
//     const BodyReader::Piece piece = body.Next(input);   // `input`: what has come and is not
//     taken if (piece.broken != nullptr) ...                    // the stream cannot go on
//     input.remove_prefix(piece.skipped);
//     ...                                                 // take some of piece.data, or all
//     body.Took(taken);
//     input.remove_prefix(taken);
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "protocol/http/chunked.h"
#include "protocol/request.h"
#include "session/session.h"

namespace objmapper::session {

// One thread's at a time; copyable.
class BodyReader {
 public:
  struct Piece {
    size_t skipped = 0;            // bytes of the input before `data`, which are done with
    absl::string_view data;        // the object's; empty: there is none, or more has to come first
    const char* broken = nullptr;  // a static sentence, when the body is not sound
  };

  explicit BodyReader(const protocol::Request& request);
  // A body of so many bytes.
  explicit BodyReader(uint64_t length) : left_(length) {}

  // After ended() it must not be called again; what was broken stays so.
  Piece Next(absl::string_view input);
  // So many bytes of the last piece's data have been taken.
  void Took(size_t bytes) { left_ -= bytes; }

  bool broken() const { return broken_ != nullptr; }
  // All of it has come.
  bool ended() const { return left_ == 0 && (!chunked_ || chunks_ended_); }
  // Bytes of the object to come; nullopt: only its end will tell.
  std::optional<uint64_t> left() const {
    return chunked_ && !chunks_ended_ ? std::nullopt : std::optional<uint64_t>(left_);
  }

 private:
  bool chunked_ = false;
  bool chunks_ended_ = false;
  const char* broken_ = nullptr;
  uint64_t left_ = 0;  // of all, or of the piece of a chunk that was found last
  protocol::http::ChunkReader chunks_;
};

// How long the object will be; nullopt: only its end will tell.
std::optional<uint64_t> LengthOf(const protocol::Request& request);

// What is to be said before the body comes, since its sender waits for that; empty: nothing.
absl::string_view Invitation(const protocol::Request& request);

// The rest of the request's body will not be taken: the answer is an error. What is left of it is
// dropped; in HTTP the connection ends with the answer, unless that is little and sure to come. To
// be called once, and before the answer is made.
void GiveUpBody(Session* session, const protocol::Request& request, const BodyReader& body);
// The rest of the body does not come: there is no answer, but the farewell of a session that has
// said half of something (ending.h).
void CutBody(Session* session, const BodyReader& body);

}  // namespace objmapper::session
