/** A checkpoint's chat template (Jinja), rendered as transformers' `apply_chat_template` does. */
import { Template } from '@huggingface/jinja';
import { ChatTemplateError, UnsupportedTokenizerError } from '../errors/tokenization.js';
import type { TokenizerFiles } from './tokenizer-files.js';
import { UserText } from './user-text.js';

export interface ChatMessage {
  /** One of a closed list: templates build special tokens from it. */
  role: 'system' | 'user' | 'assistant';
  content: string;
  name?: string;
}

export interface ChatOptions {
  addGenerationPrompt: boolean;
  /** Further variables of the template, for example `enable_thinking`. */
  variables: Record<string, unknown>;
}

export class ChatTemplate {
  readonly #template: Template;
  readonly #source: string;
  readonly #literals: string[];
  readonly #tokens: Record<string, string>;

  constructor(files: TokenizerFiles, source: string) {
    try {
      this.#template = new Template(source);
    } catch (error) {
      throw new UnsupportedTokenizerError(`its chat template can't be read: ${String(error)}`);
    }
    this.#source = source;
    this.#literals = [...new Set(stringLiterals(this.#template.parsed))];
    const names = ['bos_token', 'eos_token', 'unk_token', 'pad_token'] as const;
    this.#tokens = Object.fromEntries(
      names.map((name) => [name, files.config[name]] as const).filter((entry) => entry[1] !== null),
    ) as Record<string, string>;
  }

  /** The conversation as one text, and which of its characters only look like parts of special tokens. */
  render(
    messages: readonly ChatMessage[],
    options: ChatOptions,
    specialTokens: readonly string[],
  ): { text: string; untrusted: number[] } {
    const texts = [this.#source, JSON.stringify(messages), JSON.stringify(options.variables)];
    const userText = new UserText(specialTokens, this.#literals, texts);
    try {
      const rendered = this.#template.render({
        tools: null,
        documents: null,
        ...userText.protect(options.variables),
        ...this.#tokens,
        messages: messages.map(({ role, content, name }) => ({
          role,
          content: userText.protect(content),
          ...(name === undefined ? {} : { name: userText.protect(name) }),
        })),
        add_generation_prompt: options.addGenerationPrompt,
      });
      return userText.restore(rendered);
    } catch (error) {
      // Whatever a template raises is about what it was given: templates were parsed when they were read.
      throw new ChatTemplateError(userText.restore(error instanceof Error ? error.message : String(error)).text);
    }
  }
}

/** All string literals in a template's expressions; its text outside of them is not among them. */
function stringLiterals(node: unknown): string[] {
  if (Array.isArray(node)) return node.flatMap(stringLiterals);
  if (node instanceof Map) return [...node].flatMap(stringLiterals);
  if (typeof node !== 'object' || node === null) return [];
  if ('type' in node && node.type === 'StringLiteral' && 'value' in node && typeof node.value === 'string') {
    return [node.value];
  }
  return Object.values(node).flatMap(stringLiterals);
}
