// Credentials to names. What they were is kept nowhere.
#include "session/caller.h"

#include <memory>
#include <string>

#include "protocol/http/credentials.h"

namespace objmapper::session {

namespace http = protocol::http;

void Identify(const Access* access, const http::Head& head, http::Ask* ask) {
  if (access == nullptr || !access->knows_tokens()) return;
  const http::Credentials credentials = http::CredentialsOf(head);
  switch (credentials.kind) {
    case http::Credentials::Kind::kNone:
      ask->lacks_token = true;
      return;
    case http::Credentials::Kind::kOther:
      ask->lacks_token = true;
      return ask->Refuse({401, "Authorization has another scheme than Bearer and Basic"});
    case http::Credentials::Kind::kUnsound:
      return ask->Refuse({401, "Authorization is not sound"});
    case http::Credentials::Kind::kToken:
      break;
  }
  std::string name = access->NameOf(credentials.token);
  if (name.empty()) return ask->Refuse({401, "the token is not known here"});
  if (credentials.has_user && credentials.user != name)
    return ask->Refuse({401, "the token is not this user's"});
  ask->caller = std::move(name);
}

void HearToken(absl::string_view token, Session* session) {
  session->bearer.reset();
  if (token.empty()) return;
  session->bearer = std::make_unique<Bearer>();
  session->bearer->hash = Tokens::HashOf(token);
}

void Attribute(Session* session, protocol::Request* request) {
  const Access* const access = session->limits->access;
  if (session->bearer == nullptr || access == nullptr || !access->knows_tokens()) return;
  access->Identify(session->bearer.get());
  request->caller = session->bearer->name;
  if (request->caller != nullptr || request->refusal != protocol::Status::kOk) return;
  request->refusal = protocol::Status::kPermissionDenied;
  request->reason = "the token that AUTH said is not known here";
}

absl::string_view CallerOf(const protocol::Request& request) {
  if (request.http != nullptr) return request.http->caller;
  return request.caller == nullptr ? absl::string_view() : absl::string_view(*request.caller);
}

}  // namespace objmapper::session
