// Going on with what is left, when it is not known yet which version the origin has.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "tests/origin/cache/partial_fixture.h"

namespace objmapper::origin {
namespace {

class PartialResumeTest : public PartialTest {
 protected:
  absl::StatusOr<Part> Resume(absl::string_view uri) {
    return PartialObject::Resume(options_, uri);
  }
  const std::string content_ = Content(5 * 4096 + 7);
};

// What is left tells which version it is of, and which blocks are here.
TEST_F(PartialResumeTest, WhatIsLeft) {
  EXPECT_TRUE(absl::IsNotFound(Resume("far/a").status())) << "nothing ever was";
  const Identity identity = IdentityOf("far/a", content_);
  {
    const Part part = OpenPart(identity);
    Fill(part.get(), content_, 1);
    Fill(part.get(), content_, 5);
    EXPECT_TRUE(absl::IsUnavailable(Resume("far/a").status())) << "somebody has it";
  }
  EXPECT_TRUE(absl::IsNotFound(Resume("far/b").status()));
  absl::StatusOr<Part> part = Resume("/far/a");
  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_TRUE((*part)->identity() == identity);
  EXPECT_EQ(Missing(part->get()), (Ranges{{0, 4096}, {2 * 4096, 5 * 4096}}));
  EXPECT_EQ(Read(*(*part)->view(), 4096), content_.substr(4096, 4096));
  FillAll(part->get(), content_);
  ASSERT_TRUE((*part)->Publish({}).ok());
  part->reset();
  EXPECT_TRUE(absl::IsNotFound(Resume("far/a").status())) << "it is an object now";
  EXPECT_EQ(ContentOf("far/a"), content_);
}

// What no later flight could go on with is not left, and a map that is damaged says nothing.
TEST_F(PartialResumeTest, WhatIsOfNoUse) {
  Fill(OpenPart(IdentityOf("far/weak", content_, "W/\"v1\"")).get(), content_, 1);
  EXPECT_TRUE(absl::IsNotFound(Resume("far/weak").status()));
  OpenPart(IdentityOf("far/nothing", content_));
  EXPECT_TRUE(absl::IsNotFound(Resume("far/nothing").status()));
  Fill(OpenPart(IdentityOf("far/damaged", content_)).get(), content_, 1);
  const net::UniqueFd map(open(PathOfMap("far/damaged").c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(map.valid());
  ASSERT_EQ(pwrite(map.get(), "x", 1, 0), 1);
  EXPECT_TRUE(absl::IsNotFound(Resume("far/damaged").status()));
  // It is in nobody's way.
  const Part anew = OpenPart(IdentityOf("far/damaged", content_));
  ASSERT_NE(anew, nullptr);
  EXPECT_EQ(anew->bytes_here(), 0u);
}

}  // namespace
}  // namespace objmapper::origin
