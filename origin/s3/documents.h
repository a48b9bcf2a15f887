// The documents that S3 answers with: why it failed, and what is in a bucket.
//
// All of it is a stranger's: whatever is shown goes through text/printable.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "origin/s3/xml_reader.h"

namespace objmapper::origin::s3 {

// Why a request failed. What the answer did not say is empty.
struct ErrorDocument {
  std::string code;      // "NoSuchKey"
  std::string message;   // for people; as it came
  std::string region;    // where the bucket is
  std::string endpoint;  // likewise, as a host
  std::string request_id;
};

// From <Error> (S3) or <ErrorResponse><Error> (STS). DATA_LOSS: it is neither, or longer than
// 64 KiB.
absl::StatusOr<ErrorDocument> ParseError(absl::string_view xml);

struct ListedObject {
  std::string key;  // decoded
  uint64_t size = 0;
  std::string etag;  // without its quotes
  absl::Time mtime;
};

struct ListPage {
  std::vector<ListedObject> objects;
  std::vector<std::string> prefixes;  // decoded: what the delimiter folded into one
  // With which the next page is asked for; empty: this is the last.
  std::string continuation;
};

// Reads one page of ListObjectsV2 as it comes (?list-type=2&encoding-type=url). A listing of any
// length takes the memory of a page, which has at most kEntriesMax entries; S3 sends 1000.
//
// Not thread-safe.
class ListReader {
 public:
  static constexpr size_t kEntriesMax = 4096;

  ListReader();

  // DATA_LOSS: it is no such document, or beyond the bounds, or an entry makes no sense.
  absl::Status Feed(absl::string_view piece) { return reader_.Feed(piece); }
  // There is no more. Errors: as Feed(), and that it is not whole, or says that there are more
  // pages and not how to get them.
  absl::StatusOr<ListPage> Finish();

 private:
  absl::Status OnElement(absl::string_view path, absl::string_view text);
  absl::Status AddObject();
  absl::StatusOr<std::string> Decode(absl::string_view text) const;

  XmlReader reader_;
  ListPage page_;
  ListedObject object_;  // that is being read
  std::vector<std::string> encoded_prefixes_;
  bool complete_ = false;  // the root element has ended
  bool truncated_ = false;
  bool encoded_ = false;
  bool has_key_ = false, has_size_ = false;
};

// The UploadId of <InitiateMultipartUploadResult>. DATA_LOSS: it has none.
absl::StatusOr<std::string> ParseUploadId(absl::string_view xml);

// What completes a multipart upload: the ETags of its parts, from 1 on, without quotes.
std::string CompleteMultipartUpload(const std::vector<std::string>& etags);
// The object's ETag, with its quotes, from <CompleteMultipartUploadResult>; empty: it says none.
// DATA_LOSS: it is no such document. UNAVAILABLE: it is an error, which comes with status 200 since
// the answer had begun when it happened; the message says which.
absl::StatusOr<std::string> ParseCompleted(absl::string_view xml);
// What S3 calls the object that it makes of these parts: the MD5 of their MD5s, and how many they
// are. Empty: one of them is no MD5 (encrypted by KMS, other makers), and so nobody can tell.
std::string MultipartEtag(const std::vector<std::string>& etags);

}  // namespace objmapper::origin::s3
