#!/usr/bin/env python3
"""Makes the small tokenizers of this folder and expected_ids.json, what the originals make of nasty texts.

usage: make_tokenizers.py FOLDER

example: python3 -m venv /tmp/venv && /tmp/venv/bin/pip install tokenizers==0.23.3 sentencepiece==0.2.3 &&
         /tmp/venv/bin/python tests/data/text/make_tokenizers.py tests/data/text

The files here were made with these versions. Training of the .model files may differ in another version; the ids do not.
"""
import json
import pathlib
import sys

import sentencepiece
import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

WORDS = """In the beginning was the word, and the numbers 1 2 3 10 42 1999 2023 came later. I'm sure they're what we've read; he'll
say it's done. A fast weight is a weight that is fast. Über den Wolken muß die Freiheit wohl grenzenlos sein. Le café est
fermé, déjà vu. Привет, мир! Как дела? 你好，世界。こんにちは世界。 def f(x):\n    return x ** 2 + 1\n\tif x > 10: pass\r\nfor (int i = 0;
i < n; ++i) { sum += a[i]; } The quick brown fox jumps over the lazy dog. the the the and and of of to to in in that that""" * 3

TEXTS = ["", " ", "  ", "a", "hello world", " hello  world ", "Hello, World!", "I'm sure they're what WE'VE read; HE'LL", "'\u017f x'S",
         "1234567890 12 3.14 ٣٤ ½ Ⅻ", "café Über naïve", "Привет, мир!", "你好，世界。", "👋🏽 😀😀 👨‍👩‍👧", "line\nline\r\nline\r\n\r\n  indented\t\ttabs \n",
         "   \n\n  \n", "trailing   ", "a\u00a0b\u3000c\u2028d\u0085e", "\u180ex", "\u0301combining e\u0301", "\x00\x01\x7f", "\ufffd \ufeffbom",
         "<s> the </s>", "<|endoftext|>the<|endoftext|><|endoftext|>", "the <mask> the", "x  <mask>  y", "▁the▁ word", "<0x0A>", "word" * 60, "the" + " " * 40 + "end",
         "_under_score-and-dash", "e\u0301 A\u030a \u1100\u1161\u11a8 \ud55c\uae00 \u212b \u0958 a\u0327\u0301 q\u0307\u0323 a\u0301\u0327 \ufb1d \u0344",
         "\U0010fffd\U0010fe41", "def f(x):\n    return x ** 2\n"]


def byte_level_trainer(size, special):
    return trainers.BpeTrainer(vocab_size=size, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                               show_progress=False)


def gpt2():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator([WORDS], byte_level_trainer(420, ["<|endoftext|>"]))
    t.add_special_tokens([AddedToken("<mask>", lstrip=True, rstrip=True, special=True)])
    return t


def nfc():
    """As Qwen and GPT-NeoX."""
    t = gpt2()
    t.normalizer = normalizers.NFC()
    return t


def llama3():
    t = Tokenizer(models.BPE(ignore_merges=True))
    pattern = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator([WORDS], byte_level_trainer(400, ["<|begin_of_text|>", "<|end_of_text|>"]))
    return t


def llama2():
    """As the converted Llama 2: no pre-tokenizer, bytes as a way out."""
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="never")
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    t.train_from_iterator([WORDS.replace("你好", "")], trainers.BpeTrainer(vocab_size=420, special_tokens=special, show_progress=False))
    j = json.loads(t.to_str())
    j["added_tokens"] = j["added_tokens"][:3]
    j["pre_tokenizer"] = None
    t = Tokenizer.from_str(json.dumps(j))
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return t


def metaspace():
    """Newer conversions: Metaspace cuts, unknown letters without a way out, digits one by one, added tokens that are normalised."""
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=False))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first"),
                                               pre_tokenizers.Digits(individual_digits=True)])
    t.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="first")
    t.train_from_iterator([WORDS[:500]], trainers.BpeTrainer(vocab_size=200, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False))
    t.add_tokens([AddedToken("<mask>", normalized=True, lstrip=True)])
    return t


def pieces():
    """Every way of cutting that is left."""
    t = Tokenizer(models.BPE(unk_token="?", continuing_subword_prefix="##", end_of_word_suffix="</w>"))
    split = pre_tokenizers.Split
    t.pre_tokenizer = pre_tokenizers.Sequence([split(Regex(r"[\s]+"), "removed"), split("-", "merged_with_previous"),
                                               split("_", "merged_with_next"), split(Regex(r"\d"), "contiguous"),
                                               split(Regex(r"\w+"), "isolated", invert=True)])
    t.decoder = decoders.Fuse()
    t.train_from_iterator([WORDS[:700]], trainers.BpeTrainer(vocab_size=260, special_tokens=["?"], continuing_subword_prefix="##",
                                                             end_of_word_suffix="</w>", show_progress=False))
    return t


def main():
    folder = pathlib.Path(sys.argv[1])
    expected = {"versions": {"tokenizers": tokenizers.__version__, "sentencepiece": sentencepiece.__version__}, "texts": TEXTS, "ids": {},
                "decoded": {}}
    for make in (gpt2, nfc, llama3, llama2, metaspace, pieces):
        name = make.__name__ + ".json"
        t = make()
        t.save(str(folder / name))
        encoded = [t.encode(text, add_special_tokens=False).ids for text in TEXTS]
        expected["ids"][name] = encoded
        expected["decoded"][name] = [t.decode(ids, skip_special_tokens=False) for ids in encoded]
    corpus, rules = folder / "corpus.tmp", folder / "rules.tmp"
    rules.write_text("65 301\tE9\nA0\t20\n3000\t20\n2028\t20\nBD\t31 2F 32\n216B\t58 49 49\nFF0C\t2C\n1\t\n")  # a small table of letters
    corpus.write_text("\n".join(WORDS.replace("\r\n", "\n").splitlines()), encoding="utf-8")
    for kind, options in (("bpe", {"byte_fallback": True, "normalization_rule_name": "identity", "remove_extra_whitespaces": False}),
                          ("unigram", {"normalization_rule_tsv": str(rules)})):
        name = f"{kind}.model"
        sentencepiece.SentencePieceTrainer.train(input=str(corpus), model_prefix=str(folder / kind), model_type=kind, num_threads=1,
                                                 vocab_size=400 if kind == "bpe" else 120, minloglevel=2, **options)
        (folder / f"{kind}.vocab").unlink()
        p = sentencepiece.SentencePieceProcessor(model_file=str(folder / name))
        encoded = [p.encode(text) for text in TEXTS]
        expected["ids"][name] = encoded
        expected["decoded"][name] = [p.decode(ids) if ids else "" for ids in encoded]
    corpus.unlink()
    rules.unlink()
    (folder / "expected_ids.json").write_text(json.dumps(expected, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


main()
