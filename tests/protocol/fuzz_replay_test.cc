// Runs a fuzz target's function under any compiler, without libFuzzer.
//
// How it works: the target is linked in, and the first argument names its corpus folder. The
// function gets every file of it, then a fixed number of mutations of them: parts joined, bytes
// changed, inserted and removed, ends cut off. The generator's seed is constant, so a failure
// repeats.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

int mutations = 50000;                  // unless the second argument says otherwise
constexpr size_t kInputBytesMax = 600;  // of a mutation: long ones cost and add nothing

std::string* corpus_folder = nullptr;

// The corpus, in the order of its files' names.
std::vector<std::string> ReadCorpus() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(*corpus_folder)) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> corpus;
  for (const std::filesystem::path& path : paths) {
    std::ifstream file(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return corpus;
}

void RunOne(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

// One file, behind it the tails of up to two others (so that a connection's opening need not stand
// in the middle), changed in up to six places.
std::string Mutate(const std::vector<std::string>& corpus, std::mt19937* random) {
  const auto below = [random](size_t bound) { return (*random)() % bound; };
  std::string input = corpus[below(corpus.size())];
  for (size_t tails = below(3); tails > 0; --tails) {
    const std::string& other = corpus[below(corpus.size())];
    input += other.substr(below(other.size()));
  }
  input.resize(std::min(input.size(), kInputBytesMax));
  for (size_t changes = below(7); changes > 0 && !input.empty(); --changes) {
    const size_t at = below(input.size());
    const char byte = static_cast<char>(below(256));
    switch (below(4)) {
      case 0:
        input[at] = byte;
        break;
      case 1:
        input.insert(at, 1, byte);
        break;
      case 2:
        input.erase(at, 1);
        break;
      default:
        input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
        break;
    }
  }
  if (below(4) == 0) input.resize(below(input.size() + 1));
  return input;
}

// No input makes the target's CHECKs fail: not the kept ones, not their mutations, not nothing.
TEST(FuzzReplayTest, TheCorpusAndItsMutationsPass) {
  const std::vector<std::string> corpus = ReadCorpus();
  ASSERT_FALSE(corpus.empty()) << *corpus_folder;
  RunOne("");
  for (const std::string& input : corpus) {
    ASSERT_FALSE(input.empty());
    RunOne(input);
  }
  std::mt19937 random(20260101);
  for (int i = 0; i < mutations; ++i) RunOne(Mutate(corpus, &random));
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc != 2 && argc != 3) {
    fprintf(stderr, "usage: %s CORPUS_FOLDER [MUTATIONS]\n", argv[0]);
    return 2;
  }
  corpus_folder = new std::string(argv[1]);
  if (argc == 3) mutations = atoi(argv[2]);
  return RUN_ALL_TESTS();
}
