// The body of an S3 error, as far as it decides what to do.
//
//   <?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>...</Message>...</Error>
//
// Source: Amazon S3 API Reference, "REST error responses".
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace objmapper::origin::fetch {

struct ErrorDocument {
  std::string code;      // "NoSuchKey"; empty: it is no such document
  std::string message;   // as sent, entities resolved; a stranger's text
  std::string region;    // PermanentRedirect, AuthorizationHeaderMalformed
  std::string endpoint;  // PermanentRedirect
};

// Never fails: what is no <Error> document gives an empty one. Reads the elements directly below
// <Error> (or, as IAM and STS answer, below <ErrorResponse><Error>), each at most once.
ErrorDocument ParseErrorDocument(absl::string_view xml);

}  // namespace objmapper::origin::fetch
