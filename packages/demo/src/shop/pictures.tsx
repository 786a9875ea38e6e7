export type Piece = 'desk' | 'lamp' | 'chair';

const SHAPES: Record<Piece, string> = {
  desk: 'M8 24h64v5H8zM12 29h4v27h-4zM64 29h4v27h-4zM46 32h16v9H46zM46 43h16v9H46z',
  lamp: 'M28 12h24l8 20H20zM38 32h4v20h-4zM28 52h24v4H28z',
  chair: 'M24 10h32a6 6 0 0 1 6 6v16H18V16a6 6 0 0 1 6-6zM12 28h6v8h44v-8h6v18H12zM16 46h4v10h-4zM60 46h4v10h-4z',
};

/** Decoration: the name stands beside it. */
export const Picture = ({ of }: { of: Piece }) => (
  <svg className="picture" viewBox="0 0 80 68" aria-hidden="true">
    <path d={SHAPES[of]} />
  </svg>
);
